"""Titles, captions and alternative texts of the figures in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

FIGURES: dict[str, str] = {
    "PSNR against perturbation factor γ": "PSNR 随扰动因子 γ 的变化",
    "One panel for the average and each condition.": "平均值与每种条件各一幅小图。",
    "Bars are unadjusted 95% intervals of the difference from {v} for other training runs and other photographs, drawn "
    "around the means.": "误差线是与 {v} 之差的未校正 95% 区间（针对重新训练与其他照片），画在均值周围。",
    "Bars are unadjusted 95% intervals of the difference from {v} for other training runs and other photographs, drawn "
    "around the means; with one seed they leave out seed-to-seed variance.": "误差线是与 {v} 之差的未校正 95% 区间（针对重新训练与其他"
    "照片），画在均值周围；只有一个种子时未计入随机种子带来的波动。",
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
    "Comparators train with objectives of their own, on other scales: their losses are not drawn.": "对比方法用各自的目标函数训练，量纲不同，故不画其损失。",
    "Shown: {n1} of {n2} variants; the table has all.": "此处显示 {n2} 个变体中的 {n1} 个，表中为全部。",
    "A strip shows one prompt's order from first to last; its colours say where the same channels stand under “{c}”, so "
    "the first strip is smooth and a scrambled strip is another order.": "每条色带按先后显示一个提示的通道顺序；颜色表示相同通道在“{c}”"
    "下的位置，因此第一条平滑，打乱的色带即为不同的顺序。",
    "Each panel has its own scale.": "各小图的刻度不同。",
    "PSNR averaged over the columns by gamma: {values}.": "各列平均的 PSNR 随 gamma 的变化：{values}。",
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
    "They are not corrected for the number of comparisons, and with one seed they leave out the luck of training.": "未对比较次数"
    "作校正；只有一个种子时也未计入训练的偶然性。",
    "Not shown for want of room: {names}.": "因版面所限未显示：{names}。",
    "{c}: degraded {x}, {scores}": "{c}：退化输入 {x}, {scores}",
    "{c}: {v}": "{c}：{v}",
    "Feature maps at the first skip": "第一跳跃连接处的特征图",
    "Feature maps at the latent": "瓶颈层的特征图",
    "first skip": "第一跳跃连接",
    "Feature maps of {names} at the {place} for the same crops: {crops}.": "{names} 对相同裁剪图的特征图（{place}）：{crops}。",
    "The same crop through each variant: the features that pass on, after the perturbation block where the variant has one "
    "({place}).": "同一裁剪图通过各变体：向后传递的特征，有扰动模块的变体取模块之后（{place}）。",
    "Of each variant the channels with the largest variance over the pixels, averaged over these crops, largest first "
    "({channels}); channels of different variants have nothing to do with each other.": "每个变体取像素方差最大的通道（对这些裁剪图取平均，"
    "从大到小：{channels}）；不同变体的通道彼此无关。",
    "Each map without its mean, in standard deviations (SD) of its row, all on one scale.": "每幅图减去自身均值，以所在行的标准差"
    "（SD）为单位，共用一个色标。",
    "Not shown and not counted: the edges, which padding reaches, an eighth of the side or two pixels of the map.": "不显示也不计入"
    "填充所及的边缘：边长的八分之一，或特征图的两个像素。",
    "Seed {list}.": "种子 {list}。",
    "Crops: {crops}.": "裁剪图：{crops}。",
    "Scatter plots of patch features coloured by condition. {told}.": "图块特征的散点图，按退化条件着色。{told}。",
    "{v}, {layer}: silhouette {e1}, kNN purity {e2}, chance {x}": "{v}，{layer}：轮廓系数 {e1}，kNN 纯度 {e2}，随机水平 {x}",
    "{v}: mean over the patch's pixels": "{v}：对图块像素取平均",
    "{v}: mean over all pixels of a patch": "{v}：对图块全部像素取平均",
    "Shown: {n1} of {n2} variants, {n3} of {n4} layers; the table has all.": "此处显示 {n2} 个变体中的 {n1} 个、{n4} 层中的 {n3} 层，"
    "表中为全部。",
    "Shown: {n1} of {n2} layers; the table has all.": "此处显示 {n2} 层中的 {n1} 层，表中为全部。",
    "Channel order by prompt, set {n}": "各提示下的通道顺序，第 {n} 组",
    "Strips of channel positions for each prompt and block. {told}.": "各提示、各模块的通道位置色带。{told}。",
    "One run ({runs}).": "一个运行（{runs}）。",
    "seed {n}: {list}": "种子 {n}：{list}",
    "The matrices compare the prompts in the strips' sequence. {told}.": "矩阵按色带的次序比较各提示。{told}。",
    "{v}: mean rank correlation between prompts {x}, equal positions {p}": "{v}：提示之间的平均秩相关 {x}，相同位置 {p}",
    "Bottom row: what moves where the prompt codes are rounded and the orders made anew ({told}); lines are means over the "
    "prompts.": "底行：提示编码经舍入并重新生成顺序后的移动（{told}）；横线为对提示的平均。",
    "{v}: {p1} to {p2} of the positions": "{v}：{p1} 至 {p2} 的位置",
    "Set {n1} of {n2} that the variants have with this seed.": "此种子下各变体共有 {n2} 组顺序，这是第 {n1} 组。",
    "Shown: {n}.": "显示 {n} 组。",
    "Shown: {n1} of {n2} variants.": "此处显示 {n2} 个变体中的 {n1} 个。",
    "Masks of the attention by task and block": "各任务、各模块的注意力掩码",
    "Which entries of the attention {v} drops for each condition, and the overlap between conditions. {told}.": "{v} 在每种条件下"
    "丢弃的注意力项，以及条件之间的重叠。{told}。",
    "{v}: {p} dropped, overlap within a condition {x1}, between conditions {x2}, by chance {x3}": "{v}：丢弃 {p}，条件内重叠 "
    "{x1}，条件间 {x2}，随机水平 {x3}",
    "{v}: {p} dropped, overlap within a condition {x1}, by chance {x3}": "{v}：丢弃 {p}，条件内重叠 {x1}，随机水平 {x3}",
    "{v}, seed {n}: share of {many} test patches a condition whose mask drops the entry (black: always).": "{v}，种子 {n}：每种"
    "条件的 {many} 个测试图块中，掩码丢弃该项的比例（黑色：总是丢弃）。",
    "{n1} to {n2}": "{n1} 至 {n2}",
    "Rows: channels of the perturbed query; columns: channels of the key; heads side by side, parted by lines.": "行：扰动后查询的"
    "通道；列：键的通道；各注意力头并排，以线分隔。",
    "Below: Jaccard index of the entries dropped for two patches, one of each condition; on the diagonal two patches of the "
    "same condition. {told}.": "下图：取两种条件各一个图块，其丢弃项的 Jaccard 指数；对角线为同一条件的两个图块。{told}。",
    "Attention weights by task and block": "各任务、各模块的注意力权重",
    "Mean channel attention weights of {v} in the blocks {blocks} for {conditions}.": "{v} 在模块 {blocks} 中的平均通道注意力权重"
    "（{conditions}）。",
    "{v}, seed {n}: mean weights over the test patches of each condition, in units of 1 / c, what each of a row's c entries "
    "would weigh if all weighed the same.": "{v}，种子 {n}：每种条件测试图块上的平均权重，以 1 / c 为单位，即一行 c 项权重均等时每项的权重。",
    "No image's crops were kept by both.": "没有两者都保存了裁剪的图像。",
}
