"""Computed texts in Chinese: labels, facts, verdicts, captions and measures.

A placeholder's first letters say what it takes (reports/language.py): n a count, x a number, p a percentage, e an
estimate with its interval, v a name without blanks, c a condition; any other name takes any text.
"""

from __future__ import annotations

_LABELS = {
    "Noise σ={n}": "噪声 σ={n}",
    "noise σ={n}": "噪声 σ={n}",
    "Noise σ={n} (trained)": "噪声 σ={n}（训练过）",
    "noise-{n}": "噪声 σ={n}",
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
    "Study": "研究",
    "Variants": "变体",
    "Data": "数据",
    "Budget": "预算",
    "Text encoder": "文本编码器",
    "Prompts": "提示",
    "Precision": "精度",
    "{n1} of {n2} done": "{n2} 个中完成 {n1} 个",
    "{name} · {described} · checksum {sum}": "{name} · {described} · 校验和 {sum}",
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

_FIGURES = {
    "PSNR against perturbation factor γ": "PSNR 随扰动因子 γ 的变化",
    "One panel for the average and each condition.": "平均值与每种条件各一幅小图。",
    "Bars are the paired bootstrap's 95% intervals of the difference from {v}, drawn around the means: where a bar holds "
    "the dashed line, the two can't be told apart.": "误差线是与 {v} 之差的配对自助法 95% 区间，画在均值周围：误差线若跨过虚线，则"
    "两者无法区分。",
    "They are not corrected for the number of comparisons.": "未对比较次数作校正。",
    "Small rings are single seeds.": "小圆圈为单个种子。",
    "Each panel has its own PSNR scale.": "各小图的 PSNR 刻度不同。",
    "PSNR of the whole test image, in dB, not of the crop alone; the highest of a row is bold.": "PSNR 属于整幅测试图像（dB），"
    "而非仅裁剪图；每行最高者加粗。",
    "From seed {n}.": "种子 {n}。",
    "From each variant's first finished seed.": "各变体首个完成的种子。",
    "The first image of each condition whose crops were kept: {image}.": "每种条件下首幅保存了裁剪的图像：{image}。",
    "Error maps of the crops": "裁剪图的误差图",
    "Below each map: its mean over the crop, the lowest of the variants bold.": "图下为裁剪图上的平均误差，最低者加粗。",
    "Per-image differences, {v1} − {v2}": "逐图差异，{v1} − {v2}",
    "The variants with the highest and the lowest mean against the reference have such a figure.": "相对参照均值最高与最低的变体"
    "有这样一幅图。",
    "t-SNE of features by condition": "按退化条件的特征 t-SNE",
    "Pooling: {how}.": "池化：{how}。",
    "Training curves": "训练曲线",
    "One line a run; seeds share their variant's colour.": "每个运行一条线；同一变体的种子颜色相同。",
    "The loss is a running mean over {n} logged steps.": "损失为 {n} 个记录步的滑动平均。",
    "Shown: {n1} of {n2} variants; the table has all.": "此处显示 {n2} 个变体中的 {n1} 个，表中为全部。",
    "A strip shows one prompt's order from first to last; its colours say where the same channels stand under “{c}”, so "
    "the first strip is smooth and a scrambled strip is another order.": "每条色带按先后显示一个提示的通道顺序；颜色表示相同通道在“{c}”"
    "下的位置，因此第一条平滑，打乱的色带即为不同的顺序。",
    "Each panel has its own scale.": "各小图的刻度不同。",
    "Mean PSNR over the tasks by gamma: {values}.": "各任务的平均 PSNR 随 gamma 的变化：{values}。",
    "Degraded input, {names} and the clean image side by side for {conditions}; the PSNR stands below each.": "退化输入、{names} 与"
    "清晰原图并排（{conditions}）；图下为 PSNR。",
    "Absolute error of each crop against the clean one, mean over the crop.": "各裁剪图相对清晰原图的绝对误差，取裁剪图上的平均。",
    "Absolute difference from the clean crop, mean over the colours, in grey levels of 255; the same crops as above.": "与清晰裁剪图"
    "的绝对差，对颜色通道取平均，以 255 级灰度计；裁剪图同上。",
    "One scale for all, which ends at {n1}: {n2} % of the restored pixels lie below.": "共用一个色标，上限为 {n1}：{n2}% 的恢复像素低于"
    "此值。",
    "Sorted PSNR differences of {n1} images between {v1} and {v2}, from {x1} to {x2} dB, median {x3} dB; {n2} are above "
    "zero.": "{v1} 与 {v2} 在 {n1} 幅图像上的 PSNR 差（已排序），从 {x1} 到 {x2} dB，中位数 {x3} dB；{n2} 个大于零。",
    "Each marker is one test image under one condition, averaged over the seeds that both have; from {x1} to {x2} dB, "
    "median {x3} dB.": "每个标记是一种条件下的一幅测试图像，对两者共有的种子取平均；从 {x1} 到 {x2} dB，中位数 {x3} dB。",
    "Ringed, and shown at the right, are the highest and the lowest among the images whose crops both kept (highest: "
    "{image1}, {c1}; lowest: {image2}, {c2}); crops of seed {n}, below them the PSNR of the whole image, averaged over "
    "seeds.": "圈出并在右侧显示的是两者都保存了裁剪的图像中差值最高与最低者（最高：{image1}，{c1}；最低：{image2}，{c2}）；裁剪取自种子 {n}，"
    "其下为整幅图像对种子平均的 PSNR。",
    "At most {n1} patches a panel, standardised, PCA to {n2} dimensions or fewer, t-SNE at perplexity {x}, fixed seed; "
    "training seed {seed}. t-SNE alone proves nothing: silhouette and purity (of the {n3} nearest neighbours) are measured "
    "before it, in PCA space, on {n4} patches; intervals over patches.": "每幅小图至多 {n1} 个图块，标准化后用 PCA 降至不超过 {n2} 维，"
    "t-SNE 困惑度 {x}，随机种子固定；训练种子 {seed}。t-SNE 本身不能证明什么：轮廓系数与纯度（{n3} 个最近邻）是在此之前于 PCA 空间中、在 "
    "{n4} 个图块上测得的；区间按图块计算。",
    "The same orders, channel by channel, in {n} runs ({runs}).": "{n} 个运行的顺序逐通道相同（{runs}）。",
    "Other seeds give {n} further sets of orders.": "其他种子另给出 {n} 组顺序。",
    "Other seeds give {n} further set of orders.": "其他种子另给出 {n} 组顺序。",
    "Loss and validation PSNR against the training step for {n1} runs of {n2} variants.": "{n2} 个变体共 {n1} 个运行的损失与验证 PSNR "
    "随训练步数的变化。",
}

_INTERVALS = "Intervals: 95\N{NO-BREAK SPACE}%, over {seeds} and "
_MEASURES = {
    "What a wrong prompt costs": "错误提示的代价",
    "Prompt codes in half precision": "半精度的提示编码",
    "Gradient interference": "梯度干扰",
    "Information a block loses": "模块损失的信息",
    "PSNR, interference and information loss against gamma": "PSNR、干扰与信息损失随 γ 的变化",
    "PSNR, interference and information loss against perturbation factor γ": "PSNR、干扰与信息损失随扰动因子 γ 的变化",
    "Levels not trained on": "未训练过的退化强度",
    "Two degradations at once": "两种退化同时出现",
    "PSNR change by true condition and given prompt": "真实条件与所给提示下的 PSNR 变化",
    "PSNR change against the right prompt in dB: mean over images, then seeds.": "相对正确提示的 PSNR 变化（dB）：先对图像、再对"
    "种子平均。",
    "All matrices share one colour scale centred at 0; brown is a loss.": "各矩阵共用以 0 为中心的色标；棕色表示下降。",
    "Mean change under the prompt of another task": "给错任务提示时的平均变化",
    "PSNR in dB against the right prompt, by what is wrong with the image; negative is a loss.": "相对正确提示的 PSNR（dB），按图像"
    "的实际退化；负值为下降。",
    "Prompts of a task are averaged first, in the average also the conditions of a task.": "同一任务的提示先行平均；计算平均值时同一"
    "任务的条件也先行平均。",
    "Paired within each image.": "在每幅图像内配对。",
    "Right task, wrong strength": "任务正确、强度错误",
    _INTERVALS + "{images} of {scenes}.": "区间：95%，按{seeds}以及{scenes}的{images}。",
    _INTERVALS + "{n} draws of images.": "区间：95%，按{seeds}以及 {n} 次图像抽样。",
    "Intervals: 95\N{NO-BREAK SPACE}% over seeds, absent with one.": "区间：95%，按种子计算；只有一个种子时没有。",
    "Bars: 95\N{NO-BREAK SPACE}% intervals over seeds, absent with one.": "误差线：按种子的 95% 区间；只有一个种子时没有。",
    "{n} scenes say little about photographs in general.": "{n} 个场景难以代表一般照片。",
    "The two differ in it ({e}; chosen as the extremes, not corrected for that).": "二者在这一点上不同（{e}；作为两端选出，未对此"
    "校正）。",
    "Measured on all {n} finished runs.": "在全部 {n} 个已完成的运行上测量。",
    "Measured on {n1} of {n2} finished runs; it does not apply to the others or was not taken.": "在 {n2} 个已完成运行中的 {n1} 个"
    "上测量；对其余运行不适用或未测。",
    "Measure {v}: taken on all {n} finished runs.": "测量 {v}：取自全部 {n} 个已完成的运行。",
    "Measure {v}: taken on {n1} of {n2} finished runs; it does not apply to the others or was not taken.": "测量 {v}：取自 {n2} 个"
    "已完成运行中的 {n1} 个；对其余运行不适用或未测。",
    "{v1} loses most when told the wrong task, {x1} dB [{x2}, {x3}] on average; the largest loss is {c1} told as {c2}, "
    "{x4} dB.": "任务说错时 {v1} 下降最多，平均 {x1} dB [{x2}, {x3}]；最大的下降是把{c1}说成{c2}，{x4} dB。",
    "{v1} loses least when told the wrong task, {x1} dB [{x2}, {x3}] on average; the largest loss is {c1} told as {c2}, "
    "{x4} dB.": "任务说错时 {v1} 下降最少，平均 {x1} dB [{x2}, {x3}]；最大的下降是把{c1}说成{c2}，{x4} dB。",
    "Settings: {what}.": "设置：{what}。",
    "draws of images {n}": "图像抽样 {n} 次",
    "Rounding the prompt codes to {format} moves {p1} to {p2} of the channel positions (most: {block} of {v1}) and changes "
    "PSNR by {e} dB at most, in {v2}, which can't be told from zero.": "将提示编码舍入到 {format} 会移动 {p1} 至 {p2} 的通道位置（最多："
    "{v1} 的 {block}），PSNR 至多变化 {e} dB（{v2}），与零无法区分。",
    "Rounding the prompt codes to {format} moves {p1} to {p2} of the channel positions (most: {block} of {v1}) and changes "
    "PSNR by {e} dB at most, in {v2}.": "将提示编码舍入到 {format} 会移动 {p1} 至 {p2} 的通道位置（最多：{v1} 的 {block}），PSNR 至多变化 "
    "{e} dB（{v2}）。",
    "PSNR: change against fp32 codes in dB, mean over the tasks, paired within each image.": "PSNR：相对 fp32 编码的变化（dB），对任务"
    "取平均，在每幅图像内配对。",
    "Blocks: share of channel positions that hold another channel than in fp32, mean over prompts; its interval is over "
    "seeds, and absent with one.": "模块：与 fp32 相比换成其他通道的位置所占比例，对提示取平均；区间按种子计算，只有一个种子时没有。",
    "In {v1} {p1} [{p2}, {p3}] of the pairs of tasks have opposed gradients at the end of training, the most, and in {v2} "
    "{p4} [{p5}, {p6}], the least.": "训练结束时，{v1} 有 {p1} [{p2}, {p3}] 的任务对梯度方向相反，为最多；{v2} 为 {p4} [{p5}, {p6}]，"
    "最少。",
    "The two differ in it (by {n1} points [{n2}, {n3}]; chosen as the extremes, not corrected for that).": "二者在这一点上不同（相差 "
    "{n1} 个百分点 [{n2}, {n3}]；作为两端选出，未对此校正）。",
    "For scale: a task's gradient against its own on other images has a mean cosine of {x1} to {x2}, and two tasks can "
    "hardly come out higher.": "作为尺度：同一任务在不同图像上的梯度之间，平均余弦为 {x1} 至 {x2}，两个任务之间很难更高。",
    "Heat maps of the mean cosine between the tasks' gradients.": "各任务梯度之间平均余弦的热图。",
    "Mean over pairs: {values}.": "对任务对的平均：{values}。",
    "Cosine between the gradients of two tasks over all shared parameters at the end of training, mean over draws of "
    "images, then seeds.": "训练结束时全部共享参数上两个任务梯度之间的余弦，先对图像抽样、再对种子平均。",
    "Share of pairs of tasks with a negative cosine against training progress.": "余弦为负的任务对所占比例随训练进度的变化。",
    "At the end {values}.": "训练结束时 {values}。",
    "Share of pairs of tasks whose gradients of all shared parameters have a negative cosine.": "全部共享参数的梯度余弦为负的任务对所占"
    "比例。",
    "Variants are moved aside a little so that their bars can be told apart.": "各变体略微错开，以便分辨误差线。",
    "Interference, 1 minus the mean cosine, by gamma: {values}.": "干扰（1 减平均余弦）随 gamma 的变化：{values}。",
    "1 − mean cosine over pairs of tasks, all shared parameters, end of training: 0 where all tasks pull the same way, 1 "
    "where they are unrelated, more where they are opposed.": "训练结束时全部共享参数上 1 − 任务对平均余弦：0 表示各任务方向一致，1 表示无关，"
    "更大表示相反。",
    "Share of pairs of tasks with a negative cosine; mean cosine over pairs, and of a task with itself on other images; "
    "largest over smallest gradient norm of the tasks (geometric mean).": "余弦为负的任务对所占比例；任务对的平均余弦，以及同一任务在不同"
    "图像上的余弦；各任务梯度范数的最大与最小之比（几何平均）。",
    "In {v1} a linear map can't recover {p1} [{p2}, {p3}] of the input's variance from the whole block (mean over levels; "
    "most at {level}: {p4}), in {v2} {p5} [{p6}, {p7}].": "在 {v1} 中，线性映射无法从整个模块的输出恢复输入方差的 {p1} [{p2}, {p3}]（各层级"
    "平均；最多在 {level}：{p4}），在 {v2} 中为 {p5} [{p6}, {p7}]。",
    "Information loss by level of the block.": "模块各层级的信息损失。",
    "Share of the input's variance that the best linear map can't recover from the output, images of all conditions.": "最佳线性"
    "映射无法由输出恢复的输入方差所占比例，全部条件的图像。",
    "Information loss by gamma, a line a level.": "信息损失随 gamma 的变化，每个层级一条线。",
    "Mean over levels, whole block: {values}.": "整个模块，各层级平均：{values}。",
    "Differences from the reference, {v}, that leave zero out, not corrected for their number: {told}.": "与参照 {v} 的差异中不含零者"
    "（未对次数校正）：{told}。",
    "Three panels that share the axis gamma.": "三幅小图共用 gamma 轴。",
    "Bars are intervals of the difference from the reference, drawn around the means; information loss has none with one "
    "seed.": "误差线为与参照之差的区间，画在均值周围；只有一个种子时信息损失没有区间。",
    "Mean PSNR over the tasks; interference: 1 − mean cosine of the tasks' gradients at the end of training (0: all pull "
    "the same way, 1: unrelated, more: opposed); information loss: 1 − R² of the whole block, mean over levels.": "各任务的平均 "
    "PSNR；干扰：训练结束时 1 − 任务梯度的平均余弦（0：方向一致，1：无关，更大：相反）；信息损失：整个模块的 1 − R²，各层级平均。",
    "No variant's mean falls below the degraded input's on any level not trained on; the smallest gain is {e} dB, {v} on "
    "{c}, which can't be told from zero.": "在未训练过的强度上，没有变体的均值低于退化输入；最小增益为 {e} dB（{v}，{c}），与零无法区分。",
    "No variant's mean falls below the degraded input's on any level not trained on; the smallest gain is {e} dB, {v} on "
    "{c}.": "在未训练过的强度上，没有变体的均值低于退化输入；最小增益为 {e} dB（{v}，{c}）。",
    "PSNR gain over the degraded input by strength of the degradation.": "不同退化强度下相对退化输入的 PSNR 增益。",
    "Below: the paired difference from the study's reference, where it has one, with 95\N{NO-BREAK SPACE}% intervals; its "
    "points are moved aside a little.": "下图：与参照（如有）的配对差及 95% 区间；各点略微错开。",
    "PSNR in dB; gain: restored minus input; the last column: this prompt's result minus the other's, both paired within "
    "each image.": "PSNR（dB）；增益：恢复后减输入；末列：此提示的结果减另一提示的结果，均在每幅图像内配对。",
    "Codes rounded to a number format": "舍入到某种数值格式的编码",
    "Format": "格式",
    "Moved, {block}": "移动，{block}",
    "Cosine between the gradients of two tasks": "两个任务梯度之间的余弦",
    "Below 0 a step for one task undoes the other.": "小于 0 时，对一个任务的更新会抵消另一个任务。",
    "On the diagonal, where measured, a task against itself on other images.": "对角线（如有测量）为同一任务在不同图像上的余弦。",
    "Conflicting pairs of tasks over training": "训练过程中相互冲突的任务对",
    "Gradient interference against perturbation factor γ": "梯度干扰随扰动因子 γ 的变化",
    "All shared parameters at the end of training": "训练结束时的全部共享参数",
    "Each variant's own shared parameters.": "各变体自身的共享参数。",
    "Conflicting pairs": "冲突对",
    "Mean cosine": "平均余弦",
    "Same task, other images": "同一任务，不同图像",
    "Norm ratio": "范数比",
    "Mean cosine by group of layers, at the end of training": "训练结束时各层组的平均余弦",
    "Mean over pairs of tasks.": "对任务对取平均。",
    "encoder": "编码器",
    "decoder": "解码器",
    "The lowest mean cosine is {x}, between {c1} and {c2} in {v}.": "最低的平均余弦为 {x}，出现在 {v} 的{c1}与{c2}之间。",
    "Information loss by level": "各层级的信息损失",
    "Information loss against perturbation factor γ": "信息损失随扰动因子 γ 的变化",
    "Loss by level": "各层级的损失",
    "Loss by condition": "各条件的损失",
    "1 − R² on images of all conditions: 0 where nothing is lost.": "全部条件图像上的 1 − R²：0 表示没有损失。",
    "1 − R², mean over the levels that have a block.": "1 − R²，对含该模块的层级取平均。",
    "Part": "部分",
    "Level {n}": "层级 {n}",
    "Latent": "瓶颈层",
    "Mean over levels": "各层级平均",
    "whole block": "整个模块",
    "channel part (DGCPM)": "通道部分（DGCPM）",
    "All": "全部",
    "PSNR is highest at gamma = {x1} ({x2} dB); interference is lowest at gamma = {x3} ({x4}); information loss is lowest "
    "at gamma = {x5} ({x6}).": "PSNR 在 gamma = {x1} 时最高（{x2} dB）；干扰在 gamma = {x3} 时最低（{x4}）；信息损失在 gamma = "
    "{x5} 时最低（{x6}）。",
    "From gamma = {x1} to {x2} the mean loss changes by {x3} [{x4}, {x5}].": "gamma 从 {x1} 到 {x2}，平均损失变化 {x3} [{x4}, {x5}]。",
    "Gain by strength of the degradation": "不同退化强度下的增益",
    "Restored minus degraded PSNR, mean over images, then seeds.": "恢复后减退化时的 PSNR，先对图像、再对种子平均。",
    "Filled points and dotted lines: levels trained on.": "实心点与点线：训练过的强度。",
    "Below the line at 0 the restored image is worse than its input.": "低于 0 线时，恢复结果差于输入。",
    "Noise by strength": "不同强度的噪声",
    "Rain by strength": "不同强度的雨",
    "{v} (gain)": "{v}（增益）",
    "Gain of {v}; of the others the difference from it, PSNR in dB, paired within each image.": "{v} 的增益；其余为与它的差，PSNR"
    "（dB），在每幅图像内配对。",
    "Restored under either prompt": "两种提示下的恢复结果",
    "On {c1}, the prompt of {c2} is better for every variant.": "对{c1}，用{c2}的提示在所有变体上更好。",
    "Degradations": "退化",
    "Told": "所给提示",
    "Input": "输入",
    "Restored": "恢复后",
    "Gain": "增益",
    "Against the other prompt": "相对另一提示",
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
    "{n} of the {n2} differences from the reference, {v}, leave zero out there ({n3} better, {n4} worse; not corrected for "
    "their number); the largest is {e} dB, {v2} on {c}.": "与参照 {v} 的 {n2} 个差异中有 {n} 个不含零（{n3} 个较优，{n4} 个较差；未对次数"
    "校正）；最大者为 {e} dB（{v2}，{c}）。",
    "Restoring fails, the result being worse than the degraded input, on {c1} told {c2} for every variant (worst: {e} dB, "
    "{v}).": "对{c1}给出{c2}的提示时，所有变体都恢复失败，结果差于退化输入（最差：{e} dB，{v}）。",
}

COMPUTED: dict[str, str] = {**_LABELS, **_FACTS, **_VERDICT, **_FIGURES, **_MEASURES, **_REPORTED}
