"""Computed texts in Chinese: labels, facts, verdicts, reported numbers; captions and measures have modules of their own.

A placeholder's first letters say what it takes (reports/language.py): n a count, x a number, p a percentage, e an
estimate with its interval, v a name without blanks, c a condition; any other name takes any text.
"""

from __future__ import annotations

from reports.language_zh_controls import CONTROLS
from reports.language_zh_figures import FIGURES
from reports.language_zh_learning import LEARNING
from reports.language_zh_measures import MEASURES
from reports.language_zh_routing import ROUTING

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
    "Average (columns)": "平均（按列）",
    "Average (tasks)": "平均（按任务）",
    "column average": "列平均",
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
    "Overrides of the budget": "对预算的改动",
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
    "An interim look: {n1} of {n2} planned runs are finished, and intervals do not correct for looking before the end.": "中期查看："
    "计划的 {n2} 个运行完成了 {n1} 个，区间未对提前查看作校正。",
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

_UNRESTORED = "No variant restores {conditions}: "
_FINDS = (
    "With {seeds} and {images} a planned contrast of the column average is found from {x} dB up ({p} power, two-sided "
    "test at {level}"
)
_FINDS_ZH = "以{seeds}、{images}，列平均上的计划对比自 {x} dB 起可被发现（功效 {p}，双侧检验水平 {level}"
_WORD = "计划对比"

_VERDICT = {
    "No run is finished: there is nothing to compare yet.": "没有已完成的运行：尚无可比较的内容。",
    "Only one variant has finished runs: there is nothing to compare.": "只有一个变体有已完成的运行：无从比较。",
    "No variant has scores for all conditions: there is nothing to compare.": "没有变体具备全部条件的分数：无从比较。",
    "No contrast was planned: the differences below are a description, and none is tested.": f"没有事先设定的{_WORD}：下列差异"
    "仅为描述，均未检验。",
    "No planned contrast can be estimated yet: the variants that they need have not finished.": f"尚无可估计的{_WORD}：所需变体"
    "未完成。",
    "No difference could be shown in any of the {n} planned contrasts at {p}, by {part}": f"按{{part}}，在 {{p}} 置信水平上，"
    f"{{n}} 个{_WORD}均未显示出显著差异",
    "{n1} of {n2} planned contrasts differ from zero at {p}, by {part}": f"按{{part}}，{{n2}} 个{_WORD}中有 {{n1}} 个在 {{p}} "
    "置信水平上显著不为零",
    "{n1} of {n2} planned contrasts differs from zero at {p}, by {part}": f"按{{part}}，{{n2}} 个{_WORD}中有 {{n1}} 个在 {{p}} "
    "置信水平上显著不为零",
    "The planned contrast differs from zero at {p}, by {part}": f"按{{part}}，该{_WORD}在 {{p}} 置信水平上显著不为零",
    "The planned contrast could not be shown to differ from zero at {p}, by {part}": f"按{{part}}，该{_WORD}在 {{p}} 置信水平上"
    "未显示出显著差异",
    "in {n} of them the average hides a trade between tasks": "其中 {n} 个的平均值掩盖了任务间的此消彼长",
    "{n} more can't be estimated yet": "另有 {n} 个尚不可估计",
    "the average hides a trade between tasks": "平均值掩盖了任务间的此消彼长",
    "{metric} averaged over the columns": "各列平均的 {metric}",
    "The ranking means nothing yet: every comparison rests on one seed, so no difference can be told from "
    "seed-to-seed variance.": "排名尚无意义：每项比较只基于一个种子，任何差异都无法与随机种子带来的波动区分。",
    "As trained models, {n1} of {n2} planned contrasts differ from zero at {p} on such photographs.": f"仅就这些训练好的模型"
    f"而言，{{n2}} 个{_WORD}中有 {{n1}} 个显著不为零（此类照片，{{p}} 置信水平）。",
    "As trained models, {n1} of {n2} planned contrasts differs from zero at {p} on such photographs.": f"仅就这些训练好的模型"
    f"而言，{{n2}} 个{_WORD}中有 {{n1}} 个显著不为零（此类照片，{{p}} 置信水平）。",
    "{label}: {e}": "{label}：{e}",
    "{label}: {e}, no difference could be shown": "{label}：{e}，差异不显著",
    "{label}: {e}, one seed: not judged": "{label}：{e}，仅一个种子，不作判断",
    "the average hides a trade: {values}": "平均值掩盖了任务间的此消彼长：{values}",
    "shown by task: {values}": "按任务有显著差异：{values}",
    "{n} more planned contrasts: {told} (table “Planned contrasts”)": f"另有 {{n}} 个{_WORD}：{{told}}（见“{_WORD}”表）",
    "{n} above zero": "{n} 个高于零",
    "{n} below zero": "{n} 个低于零",
    "{n} without a difference shown": "{n} 个差异不显著",
    "Not estimable yet: {labels}": "尚不可估计：{labels}",
    "unfinished: {names}": "未完成：{names}",
    "Nothing to estimate, one model under several names: {labels}.": "无可估计，同一模型的不同名称：{labels}。",
    "{v1} has the highest column average, {e} against {v2} (unadjusted; chosen as the largest, so not a test)": "{v1} 的列平均"
    "最高，相对 {v2} 为 {e}（未校正；因最大而选出，不构成检验）",
    "Diverged, more than {x} dB below the degraded input on a task that it was trained on: {runs}": "发散（在某个训练过的任务上低于"
    "退化输入超过 {x} dB）：{runs}",
    "{v} seed {n} ({x} dB on {c})": "{v} 种子 {n}（{c} {x} dB）",
    "Such runs stay in every number here": "此处所有数值均包含这些运行",
    "Without them the verdict is another for {labels} (contrasts.csv)": "去掉它们后结论不同的有：{labels}（见 contrasts.csv）",
    "{label} ({c})": "{label}（{c}）",
    f"{_FINDS})": f"{_FINDS_ZH}）",
    f"{_FINDS}; quadratic mean of {{n1}} contrasts, {{x1}} to {{x2}} dB)": f"{_FINDS_ZH}；{{n1}} 个对比的均方根，{{x1}} 至 {{x2}} dB）",
    "Every variant is better than its input on {conditions}": "所有变体都优于其输入：{conditions}",
    _UNRESTORED
    + "it is left as it is (gains within {x} dB)": "没有变体能复原{conditions}：输出与输入相当（增益在 {x} dB 以内）",
    _UNRESTORED
    + "they are left as they are (gains within {x} dB)": "没有变体能复原{conditions}：输出与输入相当（增益在 {x} dB 以内）",
    _UNRESTORED + "it is left as it is or made worse": "没有变体能复原{conditions}：输出与输入相当或更差",
    _UNRESTORED + "they are left as they are or made worse": "没有变体能复原{conditions}：输出与输入相当或更差",
    "Returns its input (gain within {x} dB): {names}": "输出与输入相当（增益在 {x} dB 以内）：{names}",
    "Worse than its input: {runs}": "差于输入：{runs}",
    "{v} on {c}": "{v}（{c}）",
    "{v} on {c} ({x} dB)": "{v}（{c}，{x} dB）",
    "Intervals rest on {seeds} a variant, {scenes} and {images}, and are for other training runs and other photographs.": "区间依据"
    "每个变体 {seeds}、{scenes}和 {images}，针对重新训练与其他照片。",
    "A variant with one seed has no measure of seed-to-seed variance: its intervals leave it out and are too narrow.": "只有一个"
    "种子的变体无法衡量随机种子带来的波动：其区间未计入这一点，因而过窄。",
    "Two seeds hardly measure seed-to-seed variance: three or more do.": "两个种子难以衡量随机种子带来的波动，三个以上才可以。",
    "So few scenes ({n}) say little about photographs in general.": "场景太少（{n} 个），难以代表一般照片。",
    "{n} score was left out because another run lacks the image.": "{n} 个分数因另一运行缺少该图像而未计入。",
    "{n} scores were left out because another run lacks the image.": "{n} 个分数因另一运行缺少该图像而未计入。",
}

_REPORTED = {
    "three tasks in one model": "一个模型处理三个任务",
    "five tasks in one model": "一个模型处理五个任务",
    "one model a task": "每个任务一个模型",
    "Best and second are marked within each group of reported rows, never across groups; measured rows are marked in the "
    "table of results, where they are tested.": "最佳与次佳只在各组论文报告行内标记，不跨组比较；测量行在结果表中经检验后标记。",
    "Reported rows are copied from the named sources, digit for digit; nothing in them was run here.": "论文报告值逐位抄自所注出处，其中"
    "没有任何一项在此运行过。",
    "Their authors differ in training and in scoring, so their order says less than it seems to.": "各作者的训练与评分方式不同，因此其排序"
    "没有看上去那样有意义。",
    "Average: the plain mean over the columns, as papers print it.": "平均：各列的简单均值，与论文相同。",
    "Reported and measured numbers are on different images: the reported ones on {sets}, the measured ones on “{name}”.": "报告值与测量值"
    "来自不同的图像：报告值为 {sets}，测量值为“{name}”。",
    "This table has no blur and no low light, and stands without reported numbers: {name} is empty, since the tables' own "
    "numbers were not available, and none was made up.": "此表没有模糊和低光照，也没有报告值：{name} 为空，因为原表的数值未能获得，没有"
    "编造任何数值。",
    "TAPE is not trained here: no code by its authors was found.": "TAPE 未在此训练：未找到其作者的代码。",
    "one model for each task": "每个任务一个模型",
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

COMPUTED: dict[str, str] = {
    **_LABELS,
    **_FACTS,
    **_VERDICT,
    **FIGURES,
    **MEASURES,
    **CONTROLS,
    **LEARNING,
    **ROUTING,
    **_REPORTED,
}
