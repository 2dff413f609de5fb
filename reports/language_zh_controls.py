"""What the controls of t-SNE and of gradient interference say in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

from reports.measures import interference_shown, separation

_FIXED = {
    separation.NOT_MEASURED: "未测量未训练的权重或随机提示是否给出同样的图（测量 separation），因此它不说明网络学到了什么。",
    separation.NONE: "在 {names}（{layer}）中，特征不按退化分开（纯度 {t}，随机水平 {chance}）。",
    "Features by condition: controls": "按退化条件的特征：对照",
    "Controls of the separation": "分离程度的对照",
    "Controls of every variant and layer": "各变体与各层的对照",
    "kNN purity by what labels the patches, means over seeds; the same patches as in the figure.": "按图块标签的 kNN 纯度，对种子取"
    "平均；图块与图中相同。",
    "Random prompt: each patch is told a condition drawn for it.": "随机提示：为每个图块随机抽取一种条件作为提示。",
    "Silhouette and kNN purity, means over seeds.": "轮廓系数与 kNN 纯度，对种子取平均。",
    "Trained, right prompt": "已训练，正确提示",
    "Untrained, right prompt": "未训练，正确提示",
    "Random prompt, by degradation": "随机提示，按退化",
    "Random prompt, by prompt told": "随机提示，按所给提示",
    "Setting": "设定",
    "trained weights, right prompt, by degradation": "已训练的权重，正确提示，按退化",
    "untrained weights, right prompt, by degradation": "未训练的权重，正确提示，按退化",
    "trained weights, random prompt, by degradation": "已训练的权重，随机提示，按退化",
    "trained weights, random prompt, by prompt told": "已训练的权重，随机提示，按所给提示",
}
_INTERFERENCE = {
    interference_shown.NOT_KNOWN: "不知道这些模型是否已训练过平台期：其日志没有各任务的验证增益。",
    interference_shown.EXACT: "比例：精确二项区间（Clopper-Pearson），一个训练好的模型的每对任务只计一次；有共同任务的任务对视为独立。",
    "In {v} {share} of the pairs of tasks that are both learned have opposed gradients at the end of training (learned: {x} "
    "dB or more over the degraded input on validation images).": "训练结束时，{v} 在两个任务都已学会的任务对中有 {share} 梯度方向相反（学会："
    "在验证图像上比退化输入高 {x} dB 或更多）。",
    "In {v1} {share1} of the pairs of tasks that are both learned have opposed gradients at the end of training, the most, "
    "and in {v2} {share2}, the least (learned: {x} dB or more over the degraded input on validation images).": "训练结束时，{v1} "
    "在两个任务都已学会的任务对中有 {share1} 梯度方向相反，为最多；{v2} 为 {share2}，最少（学会：在验证图像上比退化输入高 {x} dB 或更多）。",
    "No two tasks are learned at the end of training in {names}: what is measured there is the plateau, not interference of "
    "learned tasks.": "训练结束时 {names} 没有两个已学会的任务：那里测得的是平台期，而不是已学会的任务之间的干扰。",
    "It is not known whether {names} left the plateau: no validation gain by task was logged.": "不知道 {names} 是否已离开平台期："
    "日志没有各任务的验证增益。",
    "Without the mean colour error of each image {p1} of the pairs conflict on average over the variants, with it {p2}.": "去掉每"
    "幅图像的平均颜色误差后，各变体平均有 {p1} 的任务对冲突，不去掉时为 {p2}。",
    "No pair's ceiling is resolved from zero: how near its cosine comes to it can't be said.": "没有任务对的上限能与零区分：无法说明其余弦"
    "距上限多近。",
    "The ceiling of {n1} of {n2} cosines of pairs is resolved from zero; the lowest of them is {e} of its ceiling, between "
    "{task1} and {task2} in {v}.": "{n2} 个任务对余弦中有 {n1} 个的上限能与零区分；其中最低者为其上限的 {e}，出现在 {v} 的{task1}与{task2}"
    "之间。",
    "Share of pairs of tasks with a negative cosine, of those both learned ({x} dB or more over the degraded input) and of "
    "all; mean cosine over pairs, and of a task with itself on other images; mean of cosine over ceiling where the ceiling is "
    "resolved from zero; largest over smallest gradient norm of the tasks (geometric mean).": "余弦为负的任务对所占比例：在两个任务都"
    "已学会（比退化输入高 {x} dB 或更多）的任务对中，以及在全部任务对中；任务对的平均余弦，以及同一任务在不同图像上的余弦；上限能与零区分时余弦与上限"
    "之比的平均；各任务梯度范数的最大与最小之比（几何平均）。",
    "Conflicting, both learned": "冲突（均已学会）",
    "Cosine over ceiling": "余弦与上限之比",
    "Loss": "损失",
    "without mean colour": "去掉平均颜色",
    "not known": "未知",
    "no such pair": "没有这样的任务对",
    "not resolved": "无法分辨",
    "Cosine against its ceiling by pair of tasks, at the end of training": "训练结束时各任务对的余弦与其上限之比",
    "Mean cosine of two tasks' gradients over the geometric mean of the cosines that each has with itself on other images; "
    "not resolved: one of these can't be told from zero.": "两个任务梯度的平均余弦，除以各任务在不同图像上自身余弦的几何平均；无法分辨：其中之一"
    "与零无法区分。",
    "Fisher's z over seeds and draws gives the 95\N{NO-BREAK SPACE}% intervals, those of cosine and ceiling added in "
    "quadrature.": "95% 区间由 Fisher z 按种子与抽样得到，余弦与上限的区间按平方和合成。",
    "{task1} x {task2}": "{task1} × {task2}",
    "A pair counts at a moment only if both tasks are learned by then.": "一对任务只有在两者届时都已学会时才计入。",
    "All pairs count: what was learned by then is not known.": "全部任务对都计入：届时学会了什么并不知道。",
}
_UNTRAINED = {
    "as well": "未训练的权重同样能分开各退化（纯度 {u}，训练后 {t}）",
    "in part": "未训练的权重已在很大程度上分开各退化（纯度 {u}，训练后 {t}）",
    "less": "未训练的权重远不能同样分开各退化（纯度 {u}，训练后 {t}）",
}
_PROMPT = {
    "": "",
    "prompt": "，给随机提示时特征随所给提示（{a}）而非退化（{b}）分开",
    "both": "，给随机提示时特征随所给提示（{a}）多于随退化（{b}）分开",
    "degradation": "，给随机提示时特征随退化（{b}）而非所给提示（{a}）分开",
    "neither": "，给随机提示时特征既不随所给提示（{a}）也不随退化（{b}）分开",
}
_SHOWN = {
    "": "退化输入",
    "prompt": "提示",
    "both": "提示多于退化",
    "degradation": "退化",
    "neither": "只有正确提示才带来的东西",
}
_CONCLUSIONS = {
    "as well": "这种分离反映的是{what}，而不是学到的东西",
    "in part": "这种分离反映的是{what}，且大部分无需训练",
    "less": "这种分离是学到的，反映的是{what}",
}


def _proofs() -> dict[str, str]:
    """Every sentence on what the separation proves."""
    return {
        _whole(separation.WHOLE, separation.UNTRAINED_CLAUSES[u], separation.PROMPT_CLAUSES[p],
               separation.CONCLUSIONS[u].format(what=separation.SHOWN[p])):
        _whole("在 {names}（{layer}）中，{untrained}{prompt}：{conclusion}。", _UNTRAINED[u], _PROMPT[p],
               _CONCLUSIONS[u].format(what=_SHOWN[p]))
        for u in _UNTRAINED
        for p in _PROMPT
    }  # fmt: skip


def _whole(pattern: str, untrained: str, prompt: str, conclusion: str) -> str:
    parts = {"{untrained}": untrained, "{prompt}": prompt, "{conclusion}": conclusion}
    for name, part in parts.items():
        pattern = pattern.replace(name, part)
    return pattern


CONTROLS: dict[str, str] = {**_FIXED, **_INTERFERENCE, **_proofs()}
