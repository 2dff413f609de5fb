"""What the page says of training past the plateau, in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

_CRITERION = (
    "at least {x8} dB over the degraded input, less than {x9} dB of it from the last tenth of training",
    "比退化输入高至少 {x8} dB，且训练最后十分之一的增益小于 {x9} dB",
)
LEARNING: dict[str, str] = {
    "Training past the plateau": "训练是否越过平台期",
    "Every run is tested with the same weights: those after the last step.": "每次运行都以最后一步之后的权重测试。",
    "Every run is tested with the same weights: those that validated best, chosen on validation images.": "每次运行都以验证"
    "图像上最好的权重测试。",
    "Every run is tested with the same weights: not all alike.": "各次运行测试所用权重的选取方式不同。",
    "Gain and plateau of each variant and task": "各变体与各任务的增益与平台期",
    "Past the plateau: at least {x1} dB over the degraded input on the test images, and less than {x2} dB gained on the "
    "validation images in the last tenth of training.": "越过平台期：在测试图像上比退化输入高至少 {x1} dB，且在训练最后十分之一中验证图像上的增益"
    "小于 {x2} dB。",
    "Means over seeds.": "对种子取平均。",
    "Task": "任务",
    "Gain over the input, dB": "相对输入的增益（dB）",
    "of it in the last tenth, dB": "其中最后十分之一（dB）",
    "Steps to +{n} dB": "达到 +{n} dB 的步数",
    "past the plateau": "越过平台期",
    "still improving": "仍在提升",
    "not learned": "未学会",
    "no curve": "无曲线",
    "Whether training was past the plateau is not known: these runs kept no learning curves.": "训练是否越过平台期未知：这些运行没有保存学习"
    "曲线。",
    f"Every variant is trained past the plateau on every task ({_CRITERION[0]}).": f"每个变体在每个任务上都训练越过了平台期（{_CRITERION[1]}）。",
    "Not learned: {what}.": "未学会：{what}。",
    "Still improving at the end of training: {what}.": "训练结束时仍在提升：{what}。",
    "Restores, but without a learning curve to tell whether it was still improving: {what}.": "能够复原，但没有学习曲线说明是否仍在提升：{what}。",
    f"Their differences may only be differences in how fast they learn; past the plateau is {_CRITERION[0]}.": "它们之间的差异可能"
    f"只是学习快慢的差异；越过平台期指{_CRITERION[1]}。",
}
