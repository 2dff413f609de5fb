"""The page's fixed texts in Chinese, and all of the Chinese catalogue: English text -> Chinese text."""

from __future__ import annotations

from reports.language_zh_computed import COMPUTED
from reports.language_zh_studies import STUDIES

ZH_LISTS = ("和", "、")
ZH_SERIES = ("；", "。")

_PAGE = {
    "Skip to the content": "跳到正文",
    "Contents": "目录",
    "In short": "要点",
    "in short": "要点",
    "What was asked": "研究问题与设置",
    "Result": "结果",
    "Reported numbers": "论文报告值",
    "Reported numbers: {setting}": "论文报告值：{setting}",
    "Other images": "其他图像",
    "Other images and protocols": "其他图像与协议",
    "Axis": "变化轴",
    "an axis": "变化轴",
    "PSNR against {axis}": "PSNR 随 {axis} 的变化",
    "Crops": "裁剪图",
    "Image by image": "逐图比较",
    "Feature maps": "特征图",
    "Attention": "注意力",
    "Attention and its masks": "注意力及其掩码",
    "Features": "特征",
    "Features by condition": "按退化条件的特征",
    "Channel order": "通道顺序",
    "Channel order by prompt": "各提示下的通道顺序",
    "Training": "训练",
    "Measures left out": "未计入的测量",
    "Runs": "运行",
    "Not done": "未完成",
    "Not done ({n})": "未完成（{n}）",
    "Make it again": "如何重现",
    "unknown": "未知",
    "yes": "是",
    "no": "否",
    "{metrics} · protocol {protocol} · {data}.": "{metrics} · 协议 {protocol} · {data}。",
    "Best": "最佳",
    "second": "次佳",
    "{best}: best of its column, told from the second by an unadjusted test of that pair; {second}: second, told from the "
    "third likewise. Nothing is marked with one seed, nor what is no better than the input. What a lead means is said "
    "{above}.": "{best}：该列最佳，"
    "经该对的未校正检验与次佳有显著差异；{second}：次佳，同样与第三名有显著差异。只有一个种子或不优于输入时不作标记。领先的意义见{above}。",
    "Average: plain mean over the columns.": "平均：各列的简单均值。",
    "Average (columns): plain mean over the columns, as papers print it.": "平均（按列）：各列的简单均值，与论文相同。",
    "Average (tasks): noise levels first, then tasks alike.": "平均（按任务）：噪声等级先行平均，再对任务平均。",
    "A click or Enter on a number shows the runs behind it; arrow keys go from cell to cell.": "点击数字或按回车键可查看"
    "其来源运行；方向键可在单元格间移动。",
    "Planned contrasts": "计划对比",
    "Planned contrasts by task": "各任务的计划对比",
    "PSNR in dB with simultaneous 95% intervals over the {n} planned contrasts of a column. A contrast differs from zero "
    "where its interval leaves zero out, which is where p, adjusted for their number, is below 0.05; with one seed it "
    "never does. New photographs: other training runs and other photographs; these images: other training runs, scored on "
    "the images at hand.": "PSNR（dB）及对一列中 {n} 个计划对比的联合 95% 区间。区间不含零即为显著不为零，等价于按个数校正的 p 小于 "
    "0.05；只有一个种子时不作此判断。新照片：重新训练且换其他照片；这些图像：重新训练，在现有图像上评测。",
    "MDD: minimum detectable difference, the true one that this test finds in 80% of studies like this one. Seeds: how "
    "many would find a difference as large as the observed one on these images.": "MDD：最小可检测差异，即该检验在 80% 的同类研究中"
    "能够发现的真实差异。种子：要在这些图像上发现与观测值同样大的差异所需的种子数。",
    "As above, new photographs, a family of contrasts a task. Bold: differs from zero.": "同上，新照片，每个任务为一族对比。粗体："
    "显著不为零。",
    "The pair of variants, a description": "变体对（描述）",
    "All {n} pairs of variants, a description": "全部 {n} 对变体（描述）",
    "Difference of the PSNR averaged over the columns, new photographs, with its unadjusted 95% interval and p. Not "
    "planned, so not tested: of many such intervals some leave zero out by chance.": "各列平均 PSNR 之差（新照片）及其未校正的 95% "
    "区间与 p。非事先计划，故不作检验：此类区间一多，总有一些偶然不含零。",
    "SE {se} dB, {df} degrees of freedom, {seeds} seed(s), {scenes} scene(s), {images} image(s); unadjusted p {p}": "标准误"
    " {se} dB，自由度 {df}，{seeds} 个种子，{scenes} 个场景，{images} 幅图像；未校正 p = {p}",
    "This figure could not be drawn: {why}": "此图无法绘制：{why}",
    "The images could not be prepared: {why}": "图像无法准备：{why}",
    "The scatter could not be prepared: {why}": "散点图无法准备：{why}",
    "Words inside the figures are English, as in papers; the captions say what they mean.": "图中文字沿用论文通行的英文，含义见图注。其中 noise 为噪声，rain 为雨，haze 为雾，motion blur 为运动模糊，low light 为低光照，average 为平均，degraded 为退化输入，clean 为清晰原图，training loss 为训练损失，training step 为训练步。",
    "For print: {file}.pdf, .svg.": "印刷版：{file}.pdf、.svg。",
    "Unrounded: {file}.csv.": "未舍入的数值：{file}.csv。",
    "{title}, scrolls sideways on a narrow screen": "{title}，窄屏上可横向滚动",
    "Fewer than two of the variants on the axis are done.": "变化轴上完成的变体少于两个。",
    "No finished run has kept crops.": "没有已完成的运行保存裁剪图。",
    "No finished run has recorded features.": "没有已完成的运行记录特征。",
    "No finished run has recorded channel orders.": "没有已完成的运行记录通道顺序。",
    "No run has logged its training.": "没有运行记录训练过程。",
    "Separation of every variant and layer": "各变体与各层的分离程度",
    "Measured in PCA space; 95% intervals over patches, which leave out training seeds. Chance is the purity of features "
    "that know nothing of the condition.": "在 PCA 空间中测量；95% 区间按图块计算，未计入训练种子。“随机”是与退化条件无关的特征"
    "所具有的纯度。",
    "Every run behind the numbers above. Step: the checkpoint that was tested, chosen on validation images.": "以上数字所依据"
    "的全部运行。步数：接受测试的检查点，按验证图像选出。",
    "+ uncommitted changes": "＋未提交的改动",
    "Traceback": "回溯信息",
    "The runs (those that are finished are not repeated) and this report:": "各运行（已完成的不会重做）及本报告：",
    "This report alone, from the run folders:": "仅由运行文件夹重新生成本报告：",
    "Beside this page: table.md, table.tex (needs booktabs), means.csv, contrasts.csv and pairs.csv with every number "
    "unrounded and run ids, and {folder}/ with PNG, SVG and PDF.": "与本页同在的文件：table.md、table.tex（需要 booktabs）、含全部未舍入数值及"
    "运行编号的 means.csv、contrasts.csv 和 pairs.csv，以及含 PNG、SVG 与 PDF 的 {folder}/。",
    "In {folder}/: the numbers of each measure.": "{folder}/ 中是各项测量的数值。",
    "What does not add up in the reported rows": "论文报告值中不相符之处",
}

_TABLES = {
    "Variant": "变体",
    "Seeds": "种子",
    "Seed": "种子",
    "Difference": "差异",
    "Contrast": "对比",
    "p, adjusted": "p（校正）",
    "p, unadjusted": "p（未校正）",
    "Differs": "差异显著",
    "These images": "这些图像",
    "MDD, dB": "MDD（dB）",
    "Params trained": "训练的参数量",
    "Params": "参数量",
    "MACs": "乘加次数",
    "Higher": "较高",
    "Lower": "较低",
    "Layer": "层",
    "Silhouette": "轮廓系数",
    "kNN purity": "kNN 纯度",
    "Chance": "随机",
    "Patches": "图块",
    "Run": "运行",
    "Status": "状态",
    "Step": "步数",
    "Evaluation": "评测",
    "Parameters": "参数量",
    "Multiply-adds": "乘加次数",
    "Device": "设备",
    "Commit": "提交",
    "Method or variant": "方法或变体",
    "Where from": "出处",
    "Table of results": "结果表",
    "Differences between variants": "变体之间的差异",
    "Separation of features": "特征的分离程度",
    "Table of runs": "运行表",
}

_INTERACTIVE = {
    "degraded": "退化输入",
    "clean": "清晰原图",
    "PNG crops as the runs stored them, not resampled. PSNR is that of the whole test image.": "运行保存的 PNG 裁剪图，未经重"
    "采样。PSNR 属于整幅测试图像。",
    "Drag the divider or use the arrow keys; move over any image, or focus the images and use the arrow keys, and a lens "
    "shows the same pixels of all.": "拖动分隔线或使用方向键；将指针移到任一图像上，或聚焦图像后使用方向键，放大镜会在所有图像上"
    "显示相同的像素。",
    "Image": "图像",
    "Left": "左侧",
    "Right": "右侧",
    "Lens": "放大镜",
    "{n} × {n} pixels": "{n} × {n} 像素",
    "Divider: how much of the left image is shown, in percent": "分隔线：左侧图像显示的百分比",
    "{n} % {left}, the rest {right}": "{n}% 为 {left}，其余为 {right}",
    "Lens over all images: arrow keys move it by a pixel, with Shift by eight, Escape hides it": "所有图像上的放大镜：方向键移动"
    "一个像素，加 Shift 移动八个像素，Esc 隐藏",
    "Pixel {x}, {y} from the top left of the crop": "像素 {x}, {y}（自裁剪图左上角起）",
    "t-SNE at several perplexities": "不同困惑度下的 t-SNE",
    "The last layer that each variant recorded, at most {n} patches, standardised, PCA first, fixed seed. Axes of t-SNE "
    "have no unit; only what stays at every perplexity deserves belief.": "各变体所记录的最后一层，至多 {n} 个图块，先标准化再做 "
    "PCA，随机种子固定。t-SNE 的坐标轴没有单位；只有在各困惑度下都存在的结构才值得相信。",
    "Perplexity": "困惑度",
    "seed {seed}": "种子 {seed}",
    "t-SNE of {variant}, {layer}: {n} patches at perplexity {p}": "{variant} 的 t-SNE，{layer}：{n} 个图块，困惑度 {p}",
    "Too few patches for perplexity {p}": "图块太少，不能用困惑度 {p}",
    "{condition}, patch {k} of {variant}": "{condition}，{variant} 的第 {k} 个图块",
    "Only {condition} is shown in full colour": "仅突出显示{condition}",
    "Show one condition alone": "只突出一种退化条件",
    "Filter rows": "筛选行",
    "{n} of {all} rows": "{all} 行中的 {n} 行",
    "Where this number comes from": "此数字的来源",
    "Every number unrounded: means.csv; every image: images.parquet of the run's folder.": "未舍入的全部数字见 means.csv；每幅"
    "图像的数值见运行文件夹中的 images.parquet。",
    "Close": "关闭",
    "Printed": "显示值",
    "Protocol": "协议",
    "Test set": "测试集",
    "n": "样本数",
    "{images} images of {scenes} scenes": "{scenes} 个场景的 {images} 幅图像",
    "Runs behind this number": "此数字依据的运行",
}

ZH: dict[str, str] = {**STUDIES, **COMPUTED, **_PAGE, **_TABLES, **_INTERACTIVE}
