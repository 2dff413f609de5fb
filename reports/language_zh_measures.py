"""What the measures say in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

_INTERVALS = "Intervals: 95\N{NO-BREAK SPACE}%, over {seeds} and "
_FIXED = {
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
    "Prompts of a task are averaged first; the average is the plain mean over the columns.": "同一任务的提示先行平均；平均为各列的"
    "简单均值。",
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
    "{v1} loses most when told the wrong task, {x1} dB [{x2}, {x3}] averaged over the columns; the largest loss is {c1} told as {c2}, "
    "{x4} dB.": "任务说错时 {v1} 下降最多，列平均 {x1} dB [{x2}, {x3}]；最大的下降是把{c1}说成{c2}，{x4} dB。",
    "{v1} loses least when told the wrong task, {x1} dB [{x2}, {x3}] averaged over the columns; the largest loss is {c1} told as {c2}, "
    "{x4} dB.": "任务说错时 {v1} 下降最少，列平均 {x1} dB [{x2}, {x3}]；最大的下降是把{c1}说成{c2}，{x4} dB。",
    "Settings: {what}.": "设置：{what}。",
    "draws of images {n}": "图像抽样 {n} 次",
    "Rounding the prompt codes to {format} moves {p1} to {p2} of the channel positions (most: {block} of {v1}) and changes "
    "PSNR by {e} dB at most, in {v2}, which can't be told from zero.": "将提示编码舍入到 {format} 会移动 {p1} 至 {p2} 的通道位置（最多："
    "{v1} 的 {block}），PSNR 至多变化 {e} dB（{v2}），与零无法区分。",
    "Rounding the prompt codes to {format} moves {p1} to {p2} of the channel positions (most: {block} of {v1}) and changes "
    "PSNR by {e} dB at most, in {v2}.": "将提示编码舍入到 {format} 会移动 {p1} 至 {p2} 的通道位置（最多：{v1} 的 {block}），PSNR 至多变化 "
    "{e} dB（{v2}）。",
    "PSNR: change against fp32 codes in dB, averaged over the columns, paired within each image.": "PSNR：相对 fp32 编码的变化（dB），对各列"
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
    "PSNR averaged over the columns; interference: 1 − mean cosine of the tasks' gradients at the end of training (0: all pull "
    "the same way, 1: unrelated, more: opposed); information loss: 1 − R² of the whole block, mean over levels.": "各列平均的 "
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
    "{n} of the {n2} differences from the reference, {v}, leave zero out there ({n3} better, {n4} worse; not corrected for "
    "their number); the largest is {e} dB, {v2} on {c}.": "与参照 {v} 的 {n2} 个差异中有 {n} 个不含零（{n3} 个较优，{n4} 个较差；未对次数"
    "校正）；最大者为 {e} dB（{v2}，{c}）。",
    "Restoring fails, the result being worse than the degraded input, on {c1} told {c2} for every variant (worst: {e} dB, "
    "{v}).": "对{c1}给出{c2}的提示时，所有变体都恢复失败，结果差于退化输入（最差：{e} dB，{v}）。",
    "With one seed a variant this is true of these trained models, not of the variants.": "每个变体只有一个种子：这只对这些训练好的模型"
    "成立，不能推及变体。",
    "A variant with one seed has no measure of seed-to-seed variance.": "只有一个种子的变体无法衡量随机种子带来的波动。",
    "{n} scene says little about photographs in general.": "{n} 个场景难以代表一般照片。",
    "Measured on the one finished run.": "在唯一已完成的运行上测量。",
    "Measured on both finished runs.": "在两个已完成的运行上测量。",
    "Measure {v}: taken on the one finished run.": "测量 {v}：取自唯一已完成的运行。",
    "Measure {v}: taken on both finished runs.": "测量 {v}：取自两个已完成的运行。",
    "patches a draw {n}": "每次抽样 {n} 个图块",
    "tenths of the training {list}": "训练进度的十分位 {list}",
    "images a condition {n}": "每种条件 {n} 幅图像",
    "pixels an image {n}": "每幅图像 {n} 个像素",
    "Shown: {n1} of {n2} variants; the CSV file has all.": "此处显示 {n2} 个变体中的 {n1} 个，CSV 文件中为全部。",
    "The two differ in it (by {x1} points [{x2}, {x3}]; chosen as the extremes, not corrected for that).": "二者在这一点上不同（相差 "
    "{x1} 个百分点 [{x2}, {x3}]；作为两端选出，未对此校正）。",
    "The two can't be told apart in it (by {x1} points [{x2}, {x3}]; chosen as the extremes, not corrected for that).": "二者在这一点"
    "上无法区分（相差 {x1} 个百分点 [{x2}, {x3}]；作为两端选出，未对此校正）。",
    "The two can't be told apart in it ({e}; chosen as the extremes, not corrected for that).": "二者在这一点上无法区分（{e}；作为两端"
    "选出，未对此校正）。",
    "The prompt does nothing in {names}: it does not lose {x} dB on any condition, whatever it is told.": "提示对 {names} 不起作用："
    "无论给出什么提示，在任何条件下的下降都不到 {x} dB。",
    "The prompt does nothing in {names}: they do not lose {x} dB on any condition, whatever they are told.": "提示对 {names} 不起"
    "作用：无论给出什么提示，在任何条件下的下降都不到 {x} dB。",
    "{n} images without the right prompt's result are left out.": "{n} 幅缺少正确提示结果的图像未计入。",
    "Matrices of true condition by given prompt, 0 on the diagonal. {told}.": "真实条件与所给提示的矩阵，对角线为 0。{told}。",
    "{v}: mean {x1} dB, lowest {x2} dB for {c1} told as {c2}": "{v}：平均 {x1} dB，最低 {x2} dB（把{c1}说成{c2}）",
    "In {v1} {share} of the pairs of tasks have opposed gradients at the end of training.": "训练结束时，{v1} 有 {share} 的任务对梯度"
    "方向相反。",
    "In {v1} {share1} of the pairs of tasks have opposed gradients at the end of training, the most, and in {v2} {share2}, "
    "the least.": "训练结束时，{v1} 有 {share1} 的任务对梯度方向相反，为最多；{v2} 为 {share2}，最少。",
    "No pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is {x}.": "训练结束时没有相互冲突的"
    "任务对：没有负的余弦，最低平均值为 {x}。",
    "For scale: a task's gradient against its own on other images has a mean cosine of {x}, and two tasks can hardly come "
    "out higher.": "作为尺度：同一任务在不同图像上的梯度之间，平均余弦为 {x}，两个任务之间很难更高。",
    "The lowest mean cosine is {x}, between {task1} and {task2} in {v}.": "最低的平均余弦为 {x}，出现在 {v} 的{task1}与{task2}"
    "之间。",
    "Mean over pairs of tasks. backbone: what variants with and without perturbation blocks have in common.": "对任务对取平均。"
    "backbone：有与没有扰动模块的变体共有的部分。",
    "No {part} was scored over all conditions.": "没有对全部条件计算{part}的结果。",
    "In {v1} a linear map can't recover {share} of the input's variance from the {part} (mean over levels; most at {level}: "
    "{p}).": "在 {v1} 中，线性映射无法从{part}的输出恢复输入方差的 {share}（各层级平均；最多在 {level}：{p}）。",
    "In {v1} a linear map can't recover {share1} of the input's variance from the {part} (mean over levels; most at {level}: "
    "{p}), in {v2} {share2}.": "在 {v1} 中，线性映射无法从{part}的输出恢复输入方差的 {share1}（各层级平均；最多在 {level}：{p}），在 "
    "{v2} 中为 {share2}。",
    "The variants lose the same, {p} of the input's variance, to within half a percent.": "各变体的损失相同，为输入方差的 {p}，相差不到"
    "百分之零点五。",
    "level {n}": "层级 {n}",
    "Whole block, {v}: level {n} {x}, {levels}": "整个模块，{v}：层级 {n} {x}, {levels}",
    "Channel part (dgcpm), {v}: level {n} {x}, {levels}": "通道部分（DGCPM），{v}：层级 {n} {x}, {levels}",
    "{v}: level {n} {x}, {levels}": "{v}：层级 {n} {x}, {levels}",
    "level {n} {x}": "层级 {n} {x}",
    "From gamma = {x1} to {x2} the mean loss changes by {x3}.": "gamma 从 {x1} 到 {x2}，平均损失变化 {x3}。",
    "From gamma = {x1} to {x2} the mean loss changes by {e}, which can't be told from zero.": "gamma 从 {x1} 到 {x2}，平均损失变化 "
    "{e}，与零无法区分。",
    "PSNR {n1} of {n2}": "PSNR {n2} 个中有 {n1} 个",
    "interference {n1} of {n2}": "干扰 {n2} 个中有 {n1} 个",
    "information loss {n1} of {n2}": "信息损失 {n2} 个中有 {n1} 个",
    "interference has no interval with one seed": "只有一个种子时干扰没有区间",
    "information loss has no interval with one seed": "只有一个种子时信息损失没有区间",
    "PSNR: {x}: {values}": "PSNR：{x}: {values}",
    "interference: {x}: {values}": "干扰：{x}: {values}",
    "information loss: {x}: {values}": "信息损失：{x}: {values}",
    "Lowest and highest, {values}.": "最低与最高，{values}。",
    "{v}: {lowest} dB on {c1} and {highest} dB on {c2}, {more}": "{v}：{lowest} dB（{c1}）与 {highest} dB（{c2}），{more}",
    "{v}: {lowest} dB on {c1} and {highest} dB on {c2}": "{v}：{lowest} dB（{c1}）与 {highest} dB（{c2}）",
    "{x1} dB on {c1} and {x2} dB on {c2}": "{x1} dB（{c1}）与 {x2} dB（{c2}）",
    "{x1} dB on {c1}": "{x1} dB（{c1}）",
    "Levels without a prompt of their own: {told}.": "没有专门提示的强度：{told}。",
    "{conditions} told as {c}": "{conditions}按{c}给出提示",
    "Every level was trained on by some variant: nothing here tells of new ones.": "每种强度都有变体训练过：此处不涉及新的强度。",
    "On levels not trained on, these make the image worse than it was: {names}.": "在未训练过的强度上，以下情形使图像变差：{names}。",
    "None of the {n} differences from the reference, {v}, leaves zero out there.": "与参照 {v} 的 {n} 个差异都含零。",
    "Gain over the degraded input, PSNR in dB, paired within each image.": "相对退化输入的增益，PSNR（dB），在每幅图像内配对。",
    "Gain over the degraded input": "相对退化输入的增益",
    "With two degradations at once no variant's mean falls below its input's under either prompt; the smallest gain is {e} "
    "dB, {v} on {c1} told {c2}.": "两种退化同时出现时，无论用哪一种提示，都没有变体的均值低于输入；最小增益为 {e} dB（{v}，{c1}，提示{c2}）。",
    "With two degradations at once no variant's mean falls below its input's under either prompt; the smallest gain is {e} "
    "dB, {v} on {c1} told {c2}, which can't be told from zero.": "两种退化同时出现时，无论用哪一种提示，都没有变体的均值低于输入；最小增益为 "
    "{e} dB（{v}，{c1}，提示{c2}），与零无法区分。",
    "Restoring fails, the result being worse than the degraded input, on {told}.": "以下情形恢复失败，结果差于退化输入：{told}。",
    "on {c1} told {c2} for {who} ({e} dB)": "{c1}给出{c2}的提示，{who}（{e} dB）",
    "{c1} told {c2} for {who} ({e} dB)": "{c1}给出{c2}的提示，{who}（{e} dB）",
    "on {c1} told {c2} for {who} (worst: {e} dB, {v})": "{c1}给出{c2}的提示，{who}（最差：{e} dB，{v}）",
    "{c1} told {c2} for {who} (worst: {e} dB, {v})": "{c1}给出{c2}的提示，{who}（最差：{e} dB，{v}）",
    "every variant": "所有变体",
    "{n1} of the {n2} variants": "{n2} 个变体中的 {n1} 个",
    "On {c1}, {told}.": "对{c1}，{told}。",
    "the prompt of {c} is better for {who}": "{c}的提示对{who}更好",
    "the two can't be told apart": "两者无法区分",
    "the two can't be told apart for {n1} of {n2}": "{n2} 个中有 {n1} 个两者无法区分",
}


def _prompt_losses() -> dict[str, str]:
    """What a wrong prompt costs a variant, with and without a rank and a largest loss."""
    most = ("；最大的下降是把{c1}说成{c2}，{x} dB。", "; the largest loss is {c1} told as {c2}, {x} dB.")
    found: dict[str, str] = {}
    for chinese_end, end in (("。", "."), most):
        for rank, chinese_rank in (("", ""), ("most ", "最多"), ("least ", "最少")):
            told = f"任务说错时 {{v}} 下降{chinese_rank}，列平均 {{e}}{chinese_end}"
            found[f"{{v}} loses {rank}when told the wrong task, {{e}} averaged over the columns{end}"] = told
        found[f"{{v}} does better when told the wrong task, by {{e}} averaged over the columns{end}"] = (
            f"任务说错时 {{v}} 反而更好，列平均高 {{e}}{chinese_end}"
        )
        found[
            "{v} loses nothing that could be told from zero when told the wrong task: {e} averaged over the columns"
            + end
        ] = f"任务说错时 {{v}} 的下降与零无法区分：列平均 {{e}}{chinese_end}"
    return found


def _roundings() -> dict[str, str]:
    """What rounding the prompt codes moves and changes, each part where it was measured."""
    moves = {
        "moves {p1} to {p2} of the channel positions (most: {block} of {v1})": "会移动 {p1} 至 {p2} 的通道位置（最多：{v1} 的 {block}）",
        "moves no channel": "不移动任何通道",
    }
    changes = {
        "changes no variant's PSNR by 0.001 dB": "没有变体的 PSNR 变化达到 0.001 dB",
        **{
            f"changes PSNR by {{e}} dB{who}{doubt}": f"PSNR {chinese_who} {{e}} dB{chinese_v}{chinese_doubt}"
            for who, chinese_who, chinese_v in (("", "变化", ""), (" at most, in {v2}", "至多变化", "（{v2}）"))
            for doubt, chinese_doubt in (("", ""), (", which can't be told from zero", "，与零无法区分"))
        },
    }
    both = {f"{m} and {c}": f"{zh_m}，{zh_c}" for m, zh_m in moves.items() for c, zh_c in changes.items()}
    return {
        f"Rounding the prompt codes to {{format}} {told}.": f"将提示编码舍入到 {{format}}：{chinese}。"
        for told, chinese in {**moves, **changes, **both}.items()
    }


MEASURES: dict[str, str] = {**_FIXED, **_prompt_losses(), **_roundings()}
