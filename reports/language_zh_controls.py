# ruff: noqa: RUF001 (Chinese signs)
"""What the controls of t-SNE and of gradient interference say in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

from reports.measures import separation

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


CONTROLS: dict[str, str] = {**_FIXED, **_proofs()}
