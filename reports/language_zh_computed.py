"""Computed texts in Chinese: labels, facts, verdicts, reported numbers; captions and measures have modules of their own.

A placeholder's first letters say what it takes (reports/language.py): n a count, x a number, p a percentage, e an
estimate with its interval, v a name without blanks, c a condition; any other name takes any text.
"""

from __future__ import annotations

from reports.language_zh_controls import CONTROLS
from reports.language_zh_figures import FIGURES
from reports.language_zh_measures import MEASURES

_LABELS = {
    "Noise σ={n}": "噪声 σ={n}",
    "noise σ={n}": "噪声 σ={n}",
    "Noise σ={n} (trained)": "噪声 σ={n}（训练过）",
    "noise-{n}": "噪声 σ={n}",
    "Noise": "噪声",
    "noise": "噪声",
    "blur": "运动模糊",
    "lowlight": "低光照",
    "Rain": "雨",
    "rain": "雨",
    "Rain, {n}\N{NO-BREAK SPACE}% of drops": "雨（雨滴 {n}%）",
    "rain, {n}\N{NO-BREAK SPACE}% of drops": "雨（雨滴 {n}%）",
    "Rain, {n}\N{NO-BREAK SPACE}% of drops (trained)": "雨（雨滴 {n}%，训练过）",
    "Haze": "雾",
    "haze": "雾",
    "Motion blur": "运动模糊",
    "motion blur": "运动模糊",
    "Low light": "低光照",
    "low light": "低光照",
    "Average": "平均",
    "{c1} + {c2}": "{c1}＋{c2}",
    "degraded input": "退化输入",
    "unfinished": "未结束",
    "failed": "失败",
    "damaged": "损坏",
    "not run": "未运行",
    "done": "完成",
    "running": "进行中",
    "missing": "缺失",
    "none": "无",
    "{n1} of {n2}": "{n1}/{n2}",
    "{x} {unit} at {n} px": "{x} {unit}（{n} px）",
    "{n} seed": "{n} 个种子",
    "{n} seeds": "{n} 个种子",
    "{n1} to {n2} seeds": "{n1} 至 {n2} 个种子",
    "{n} image": "{n} 幅图像",
    "{n} images": "{n} 幅图像",
    "{n} scene": "{n} 个场景",
    "{n} scenes": "{n} 个场景",
    "{n} more": "另外 {n} 个",
    "{c} · {image}": "{c} · {image}",
    "{c}, image {image}: degraded by {c2}, PSNR {x} dB": "{c}，图像 {image}：受{c2}退化，PSNR {x} dB",
    "{c}, image {image}: restored by {variant}, PSNR {x} dB": "{c}，图像 {image}：由 {variant} 恢复，PSNR {x} dB",
    "{c}, image {image}: clean": "{c}，图像 {image}：清晰原图",
    "{n} image left out to keep the page small; the runs' samples hold them.": "为控制页面大小略去 {n} 幅图像，见运行的 samples。",
    "{n} images left out to keep the page small; the runs' samples hold them.": "为控制页面大小略去 {n} 幅图像，见运行的 samples。",
    "Left out where its crop is not of the same input, or is no PNG: {name}.": "裁剪图的输入不同或不是 PNG，未计入：{name}。",
    "{n1} seed(s), SD over seeds {x} dB; {n2} images; {ids}": "{n1} 个种子，种子间标准差 {x} dB；{n2} 幅图像；{ids}",
    "{n1} seed(s); {n2} images; {ids}": "{n1} 个种子；{n2} 幅图像；{ids}",
}

_FACTS = {
    "photographs inside the installed packages: {train} to train on, {val} to validate, {test} to test on ({n} crops); "
    "all degradations synthetic": "已安装软件包内的照片：{train} 用于训练，{val} 用于验证，{test} 用于测试（{n} 个裁剪）；所有退化均为合成",
    "checksum {sum}": "校验和 {sum}",
    "seconds a run: does everything work? The numbers mean nothing": "每个运行数秒：一切是否正常？数值没有意义",
    "about a minute a run on a CPU: the whole path with a tiny model; rankings rarely mean anything": "CPU 上每个运行约一分钟："
    "用极小的模型走完全程；排名很少有意义",
    "minutes a run on a CPU, three seeds: enough to tell large differences from luck": "CPU 上每个运行数分钟，三个种子：足以区分大的差异"
    "与偶然性",
    "one modern GPU, about ten minutes a study, or two CPU cores overnight": "一块现代 GPU 上每项研究约十分钟，或两个 CPU 核心一夜",
    "the paper's model and recipe: weeks on one GPU for all tasks": "论文的模型与训练方案：一块 GPU 完成全部任务需数周",
    "gamma {x1} and {x2} both keep {n1} of {n2} entries a row at this model size": "gamma {x1} 和 {x2} 在此模型规模下每行都保留 "
    "{n2} 项中的 {n1} 项",
    "Study": "研究",
    "Variants": "变体",
    "Data": "数据",
    "Budget": "预算",
    "Text encoder": "文本编码器",
    "Prompts": "提示",
    "Precision": "精度",
    "{n1} of {n2} done": "{n2} 个中完成 {n1} 个",
    "The prompts were not encoded by CLIP ViT-B/32, as the method asks, but by a stand-in: “{name}” ({what}).": "提示没有按方法"
    "要求用 CLIP ViT-B/32 编码，而是用替代编码器“{name}”（{what}）。",
    "MiniLM, a sentence encoder of another kind, zero-padded to 512 numbers": "MiniLM，另一类句子编码器，补零至 512 维",
    "one-hot codes, which know nothing of what a prompt means": "独热码，不含提示的语义",
    "which is not CLIP": "并非 CLIP",
    "Variants that use prompts may do better or worse with CLIP.": "使用提示的变体换用 CLIP 后可能更好，也可能更差。",
    "{n1} of {n2} runs is not done: what they would show is missing below.": "{n2} 个运行中有 {n1} 个未完成，其结果不在下文之中。",
    "{n1} of {n2} runs are not done: what they would show is missing below.": "{n2} 个运行中有 {n1} 个未完成，其结果不在下文之中。",
    "Some runs were made from a working tree with uncommitted changes: their code is in no commit.": "部分运行来自含未提交改动的"
    "工作树：其代码不在任何提交中。",
    "The first {n} of them are shown with their reasons; all stand in runs.csv.": "下面列出其中前 {n} 个及其原因；全部见 runs.csv。",
    "The page lists the first {n1} runs of each variant; all {n2} stand in runs.csv, and every mean, interval and test is "
    "computed from all of them.": "本页每个变体只列出前 {n1} 个运行；全部 {n2} 个见 runs.csv，所有均值、区间和检验均由全部运行算出。",
    "The runs mix commits: {which}.": "各运行的提交不一致：{which}。",
    "The runs mix budgets: {which}.": "各运行的预算不一致：{which}。",
    "The runs mix precisions: {which}.": "各运行的精度不一致：{which}。",
    "{v1} = {v2}: keeps the same {n1} of {n2} entries (one model, trained once)": "{v1} = {v2}：保留相同的 {n2} 项中的 {n1} 项"
    "（同一模型，只训练一次）",
    "{v1} = {v2}: {told} (one model, trained once)": "{v1} = {v2}：{told}（同一模型，只训练一次）",
    "{v1} = {v2} (one model, trained once)": "{v1} = {v2}（同一模型，只训练一次）",
    "Test images seen in training": "训练中见过的测试图像",
    "Test images unseen in training": "训练中未见过的测试图像",
    "These test images, or crops of them, stand in the training images: the models know their answers.": "这些测试图像或其裁剪"
    "出现在训练图像中：模型已知道答案。",
    "These test images do not stand in the training images.": "这些测试图像没有出现在训练图像中。",
    "Test set {name}": "测试集 {name}",
    "Not part of the table above.": "不在上表之中。",
    "Protocol {name}": "协议 {name}",
    "The same models on the same photographs: what differs from the table above is the protocol's doing.": "相同的模型、相同的"
    "照片：与上表的差别来自协议。",
}

_AGAINST = "{v1} − {v2}: {e} over {seeds}, {images}"
_AGAINST_ZH = "{v1} − {v2}：{e}（{seeds}，{images}）"
_FINDS = "With {seeds} and {images} this study finds differences from {x} dB up ({p1} power, two-sided test at {p2}"
_FINDS_ZH = "以{seeds}、{images}，本研究能发现 {x} dB 起的差异（功效 {p1}，双侧检验水平 {p2}"
_MEANS = "; quadratic mean of {n1} pairs, {x1} to {x2} dB"
_MEANS_ZH = "；{n1} 对的均方根，{x1} 至 {x2} dB"
_ONCE = ", once corrected for {n2} comparisons from {x3} dB up"
_ONCE_ZH = "，对 {n2} 次比较校正后为 {x3} dB 起"
_UNTOLD = "This budget can't tell {names} from {v}: "
_UNTOLD_ZH = "此预算无法区分 {names} 与 {v}："
_WOULD = "To find differences as large as the observed ones"

_VERDICT = {
    "No run is finished: there is nothing to compare yet.": "没有已完成的运行：尚无可比较的内容。",
    "Only one variant has finished runs: there is nothing to rank.": "只有一个变体有已完成的运行：无从排序。",
    "No variant has scores for all conditions: there is nothing to rank.": "没有变体具备全部条件的分数：无从排序。",
    "The two variants are distinguishable at {p} by {what}.": "按{what}，两个变体在 {p} 置信水平上可区分。",
    "The two variants are not distinguishable at {p} by {what}.": "按{what}，两个变体在 {p} 置信水平上不可区分。",
    "{n1} of the {n2} pairs of variants is distinguishable at {p} by {what} ({how}).": "按{what}，{n2} 对变体中有 {n1} 对在 {p} "
    "置信水平上可区分（{how}）。",
    "{n1} of the {n2} pairs of variants are distinguishable at {p} by {what} ({how}).": "按{what}，{n2} 对变体中有 {n1} 对在 {p} "
    "置信水平上可区分（{how}）。",
    "None of the {n2} pairs of variants is distinguishable at {p} by {what} ({how}).": "按{what}，{n2} 对变体中没有一对在 {p} 置信"
    "水平上可区分（{how}）。",
    "mean {metric} over the {n} tasks": " {n} 个任务的平均 {metric}",
    "mean {metric}": "平均 {metric}",
    "Holm's correction for {n} comparisons": "对 {n} 次比较做 Holm 校正",
    "The ranking means nothing yet: each variant was trained with one seed, so a lead can't be told from the luck of "
    "training.": "排名尚无意义：每个变体只用一个种子训练，领先与训练的偶然性无法区分。",
    "As trained models, {which} at {p} on such images.": "仅就这些训练好的模型而言，{which}（此类图像，{p} 置信水平）。",
    "{n1} of the {n2} pairs differ": "{n2} 对中有 {n1} 对不同",
    "{n1} of the {n2} pairs differs": "{n2} 对中有 {n1} 对不同",
    "none of the {n2} pairs differ": "{n2} 对中没有一对不同",
    "the two differ": "两者不同",
    "the two do not differ": "两者没有差别",
    "The reference, {v}, lacks a finished run or a condition: nothing is compared with it.": "参照 {v} 缺少已完成的运行或某一"
    "条件：未与之比较。",
    f"{_AGAINST}.": f"{_AGAINST_ZH}。",
    f"{_AGAINST}; distinguishable from every other variant.": f"{_AGAINST_ZH}；与其他各变体均可区分。",
    f"{_AGAINST}; not distinguishable from any other variant.": f"{_AGAINST_ZH}；与其他各变体均不可区分。",
    f"{_AGAINST}; not distinguishable from {{names}}.": f"{_AGAINST_ZH}；与 {{names}} 不可区分。",
    "{n} more variants against {v}: {told} (table “Against the reference”).": "另有 {n} 个变体与 {v} 比较：{told}（见与参照比较"
    "的表）。",
    "{n} better": "{n} 个较优",
    "{n} worse": "{n} 个较差",
    "{n} not distinguishable": "{n} 个不可区分",
    "{v1} has the highest mean, {e} against {v2}: better than the second at {p}.": "{v1} 均值最高，相对 {v2} 为 {e}：在 {p} 置信"
    "水平上优于第二名。",
    "{v1} has the highest mean, {e} against {v2}: true of these two trained models, but with one seed not of the "
    "variants.": "{v1} 均值最高，相对 {v2} 为 {e}：仅对这两个训练好的模型成立，只有一个种子，不能推及变体。",
    "{v1} has the highest mean, {e} against {v2}: no longer a difference after the correction for {n} comparisons.": "{v1} 均值"
    "最高，相对 {v2} 为 {e}：对 {n} 次比较校正后不再构成差异。",
    "{v1} has the highest mean, {e} against {v2}: this budget can't rank them.": "{v1} 均值最高，相对 {v2} 为 {e}：此预算无法为"
    "二者排序。",
    "Not distinguishable from the best: {names}.": "与最佳者不可区分：{names}。",
    f"{_FINDS}).": f"{_FINDS_ZH}）。",
    f"{_FINDS}{_MEANS}).": f"{_FINDS_ZH}{_MEANS_ZH}）。",
    f"{_FINDS}){_ONCE}.": f"{_FINDS_ZH}）{_ONCE_ZH}。",
    f"{_FINDS}{_MEANS}){_ONCE}.": f"{_FINDS_ZH}{_MEANS_ZH}）{_ONCE_ZH}。",
    "{names} scores exactly as {v} does.": "{names} 的得分与 {v} 完全相同。",
    "{names} score exactly as {v} does.": "{names} 的得分与 {v} 完全相同。",
    "any variant": "任一变体",
    f"{_UNTOLD}the observed difference is smaller than what it can find.": f"{_UNTOLD_ZH}观测到的差异小于其可发现的差异。",
    f"{_UNTOLD}the observed differences are smaller than what it can find.": f"{_UNTOLD_ZH}观测到的差异小于其可发现的差异。",
    "{names} differs from {v} only before the correction for {n} comparisons.": "{names} 与 {v} 的差异仅在对 {n} 次比较校正之前"
    "成立。",
    "{names} differ from {v} only before the correction for {n} comparisons.": "{names} 与 {v} 的差异仅在对 {n} 次比较校正之前"
    "成立。",
    f"{_WOULD}, corrected for {{n}} comparisons, would take {{seeds}}.": "要发现与观测值同样大的差异（对 {n} 次比较校正），需要"
    "{seeds}。",
    f"{_WOULD} would take {{seeds}}.": "要发现与观测值同样大的差异，需要{seeds}。",
    "about {n} seeds": "约 {n} 个种子",
    "about {n} seeds for {names}": "约 {n} 个种子（{names}）",
    "about {n} seeds ({names})": "约 {n} 个种子（{names}）",
    "up to {n} ({names})": "至多 {n} 个（{names}）",
    "more than {n} seeds": "超过 {n} 个种子",
    "more than {n} seeds for {names}": "超过 {n} 个种子（{names}）",
    "more than {n} ({names})": "超过 {n} 个（{names}）",
    "{n} ({names})": "{n} 个（{names}）",
    "Every variant's mean is below the degraded input's: these models do not restore.": "所有变体的均值都低于退化输入：这些模型"
    "没有恢复能力。",
    "Below the degraded input on average: {names}.": "平均低于退化输入：{names}。",
    "Every variant's mean is above the degraded input's, by {x} dB or more.": "所有变体的均值都高于退化输入，至少高 {x} dB。",
    "Worse than the degraded input: {names}.": "差于退化输入：{names}。",
    "{v} on {c}": "{v}（{c}）",
    "Intervals rest on {seeds} a variant, {scenes} and {images} ({n} paired resamples, widened by Student's t for so few "
    "units).": "区间依据每个变体 {seeds}、{scenes}和 {images}（{n} 次配对重采样，因单位很少按 Student t 加宽）。",
    "A variant with one seed has no measure of training luck: its intervals leave it out and are too narrow.": "只有一个种子的变体"
    "无法衡量训练的偶然性：其区间未计入这一点，因而过窄。",
    "Two seeds hardly measure training luck: three or more do.": "两个种子难以衡量训练的偶然性，三个以上才可以。",
    "So few scenes ({n}) say little about photographs in general.": "场景太少（{n} 个），难以代表一般照片。",
    "{n} score was left out because another run lacks the image.": "{n} 个分数因另一运行缺少该图像而未计入。",
    "{n} scores were left out because another run lacks the image.": "{n} 个分数因另一运行缺少该图像而未计入。",
    "Wilcoxon's test needs {n1} scenes; here are {n2}.": "Wilcoxon 检验需要 {n1} 个场景，这里有 {n2} 个。",
    "Wilcoxon's test needs {n1} scenes; here is {n2}.": "Wilcoxon 检验需要 {n1} 个场景，这里有 {n2} 个。",
    "With {n1} scenes and {n2} comparisons Wilcoxon's corrected p can't fall below {x}.": "有 {n1} 个场景和 {n2} 次比较时，"
    "Wilcoxon 校正后的 p 不会低于 {x}。",
}

_REPORTED = {
    "three tasks in one model": "一个模型处理三个任务",
    "five tasks in one model": "一个模型处理五个任务",
    "one model a task": "每个任务一个模型",
    "Best and second are marked within each group of rows, never across groups.": "最佳与次佳只在各组行内标记，不跨组比较。",
    "Reported rows are copied from the named sources, digit for digit; nothing in them was run here.": "论文报告值逐位抄自所注出处，其中"
    "没有任何一项在此运行过。",
    "Their authors differ in training and in scoring, so their order says less than it seems to.": "各作者的训练与评分方式不同，因此其排序"
    "没有看上去那样有意义。",
    "Average: the plain mean over the columns, as papers print it.": "平均：各列的简单均值，与论文相同。",
    "Noise levels count one by one, unlike elsewhere in this report.": "各噪声等级单独计入，与本报告其他部分不同。",
    "Reported and measured numbers are on different images: the reported ones on {sets}, the measured ones on “{name}”.": "报告值与测量值"
    "来自不同的图像：报告值为 {sets}，测量值为“{name}”。",
    "They can't be compared, and no difference is computed.": "二者不能比较，也未计算差异。",
    "No finished run has numbers for these columns: every number here is reported, none is measured.": "没有已完成的运行具有这些列的数值："
    "此处所有数值均为报告值，没有测量值。",
    "Reported in the {source} (copied, not measured here)": "{source}报告（抄录，非此处测量）",
    "Reported by other sources (copied, not measured here)": "其他出处报告（抄录，非此处测量）",
    "Measured here: protocol {protocol}, the field's test sets": "此处测量：协议 {protocol}，领域通用测试集",
    "Measured here: protocol {protocol}, data {name}": "此处测量：协议 {protocol}，数据 {name}",
    "not printed": "未给出",
    "reported: {source}": "报告：{source}",
    "measured": "测量",
    "measured: {seeds}; budget {budget} ({n} steps); {x} M parameters": "测量：{seeds}；预算 {budget}（{n} 步）；{x} M 参数",
    "measured: {seeds}; budget {budget}; {x} M parameters": "测量：{seeds}；预算 {budget}；{x} M 参数",
    "{name}: average {metric} is printed as {x1}, its cells have the mean {x2} (rounding explains {x3}); source: {source}.": "{name}：给出的"
    "平均 {metric} 为 {x1}，而各列均值为 {x2}（舍入可解释 {x3}）；出处：{source}。",
    "{name}: average {metrics} stands without all of its cells; source: {source}.": "{name}：给出平均 {metrics}，但缺少部分列；出处：{source}。",
    "{name}: {n} sources print different values for {columns}: {sources}.": "{name}：{n} 个出处对 {columns} 给出不同的数值：{sources}。",
    "{name}: parameters: {told}.": "{name}：参数量：{told}。",
    "Not shown for want of room: {names}.": "因版面所限未显示：{names}。",
}

COMPUTED: dict[str, str] = {**_LABELS, **_FACTS, **_VERDICT, **FIGURES, **MEASURES, **CONTROLS, **_REPORTED}
