"""What the routing measure says in Chinese; placeholders as in language_zh_computed."""

from __future__ import annotations

ROUTING: dict[str, str] = {
    "Which expert serves which degradation": "哪个专家处理哪种退化",
    "Experts by router and condition": "按路由器与条件的专家",
    "Experts by condition: {name}": "按条件的专家：{name}",
    "Router": "路由器",
    "Distance": "距离",
    "The tasks' shares of the experts of {v} lie {x1} [{x2}, {x3}] apart on average, most at {name} ({x4}); 0 is the same "
    "experts for every task, 1 is none in common.": "{v} 中各任务使用专家的份额平均相距 {x1} [{x2}, {x3}]，在 {name} 最大（{x4}）；"
    "0 表示各任务使用相同的专家，1 表示没有共用的专家。",
    "The tasks' shares of the experts of {v} lie {x1} [no interval] apart on average, most at {name} ({x2}); 0 is the same "
    "experts for every task, 1 is none in common.": "{v} 中各任务使用专家的份额平均相距 {x1}（无区间），在 {name} 最大（{x2}）；0 表示"
    "各任务使用相同的专家，1 表示没有共用的专家。",
    "Distance: total variation of the tasks' shares of gate weight, mean over pairs of tasks.": "距离：各任务门控权重份额的全变差，"
    "对任务对取平均。",
    "Conditions: the expert with most weight and its share, in the run of the lowest seed; numbers of experts mean nothing "
    "across runs.": "条件：权重最大的专家及其份额，取自种子最小的运行；专家编号在不同运行之间没有意义。",
    "Seed {n}.": "种子 {n}。",
    "A row shows how one condition's gate weight is shared among the experts of a router, mean over images; numbers of "
    "experts mean nothing across runs.": "每行为某一条件的门控权重在一个路由器的各专家间的分配，对图像取平均；专家编号在不同运行之间没有"
    "意义。",
    "Shown: {n1} of {n2} routers; the CSV file has all.": "显示 {n2} 个路由器中的 {n1} 个；CSV 文件包含全部。",
    "Heat maps of condition by expert.": "条件与专家的热图。",
    "Expert with most weight: {what}.": "权重最大的专家：{what}。",
}
