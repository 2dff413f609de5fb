"""Titles and questions of the studies that are shipped, in Chinese."""

from __future__ import annotations

STUDIES: dict[str, str] = {
    "Which part of the perturbation block earns its gain": "扰动模块的增益来自哪一部分",
    "What do channel perturbation (DGCPM) and attention perturbation (CAAPM) bring over plain Restormer, and how much of it remains when the block keeps its parameters but neither reorders (identity order) nor masks (gamma = 1), when each prompt gets a plain 1x1 convolution instead, or when Restormer is made as large without any block?": "通道扰动（DGCPM）与注意力扰动（CAAPM）相比普通 Restormer 带来多少增益？若模块保留参数但既不重排（恒等顺序）也不掩蔽（gamma = 1），或每个提示改用普通 1x1 卷积，或在没有任何模块的情况下把 Restormer 做到同样大小，增益还剩多少？",
    "How much of the attention map to keep": "注意力图应保留多少",
    "Does masking the smallest entries of the perturbed channel attention help, and which share of them (gamma) should be kept? gamma = 1 is the same block without a mask: the difference from it is the mask's doing.": "掩蔽扰动后通道注意力中最小的项是否有益，应保留多大比例（gamma）？gamma = 1 是不带掩码的同一模块：与它的差异即来自掩码。",
    "Strengths not trained on": "未训练过的强度",
    "How does each variant fare on noise of standard deviation 10, 35 and 75 and on lighter and heavier rain, for which it has no prompt of its own?": "对标准差为 10、35 和 75 的噪声以及更小和更大的雨（没有专门的提示），各变体表现如何？",
    "Two degradations at once": "两种退化同时出现",
    "Trained on one degradation at a time: what does each variant make of rain and noise, haze and noise, or blur in low light, and which of the two prompts should it be told?": "训练时每次只有一种退化：面对雨加噪声、雾加噪声或低光照下的模糊，各变体结果如何，应给两种提示中的哪一种？",
    "What the prompt has to say": "提示需要说些什么",
    "Does the network need the sentence, or only to have the degradations told apart? What is lost when the prompt is one word, a one-hot code, nothing, another task's, or random in training? And what does a wrong prompt cost a trained network?": "网络需要整句提示，还是只需区分各种退化？若训练时提示是一个词、独热码、空、另一任务的提示或随机的，会损失什么？对训练好的网络给错提示代价多大？",
    "Do the tasks interfere, and does perturbation change it": "任务之间是否相互干扰，扰动能否改变这一点",
    "The method is motivated by interference between tasks, which the paper draws and does not measure. How often do the gradients of two tasks on the shared parameters point against each other, in plain Restormer and with each part of the block, and what does a block lose of its input?": "该方法的动机是任务间的干扰，论文画出了示意但没有测量。在普通 Restormer 以及加上模块各部分时，两个任务在共享参数上的梯度有多少时候方向相反，模块又损失了输入的多少信息？",
    "The price of sharing one network": "共用一个网络的代价",
    "How much better is a network of its own for each task, trained for as many steps as the shared one, so that it sees several times the images of its task at several times the cost in all? Does perturbation lower that price?": "若每个任务有自己的网络，训练步数与共享网络相同（因而见到数倍于本任务的图像，总成本也是数倍），会好多少？扰动能否降低这一代价？",
    "Three tasks in one model": "一个模型处理三个任务",
    "Trained alike on noise, rain and haze, how does DFPIR compare with other networks, and does any of them earn its cost over methods that need no training?": "在噪声、雨、雾上以同样方式训练，DFPIR 与其他网络相比如何？其中有没有哪一个相对无需训练的方法值得其成本？",
    "Five tasks in one model": "一个模型处理五个任务",
    "Trained alike on all five tasks, how does DFPIR compare with other networks and with no training?": "在五个任务上以同样方式训练，DFPIR 与其他网络以及不训练的方法相比如何？",
    "One model a task": "每个任务一个模型",
    "Where nothing interferes, does DFPIR still differ from Restormer?": "在没有任务干扰时，DFPIR 与 Restormer 还有差别吗？",
    "Does the order of the channels matter, and does the prompt have to choose it": "通道顺序是否重要，是否必须由提示决定",
    "As released, the order comes from a random projection of the prompt's code and is never trained. Is it better than no order, than one random order for all prompts or for each, and than a learned one? Does a one-hot code do as well as a sentence? Does expanding the channels help, as the paper says?": "在发布的代码中，顺序来自提示编码的随机投影，从未训练。它是否优于不重排、所有提示共用或各用一个随机顺序，以及学得的顺序？独热码是否与句子一样好？扩展通道是否如论文所说有益？",
    "Which reading of the mask works, and does it matter what it drops": "掩码的哪种解读有效，丢弃什么是否重要",
    "The released code, the formula, the figure and the words of the paper describe four different masks. Which is best, is any better than none (gamma = 1), and is dropping the smallest entries better than dropping as many at random?": "发布的代码、公式、插图和论文文字描述了四种不同的掩码。哪种最好，是否有优于不掩蔽（gamma = 1）的，丢弃最小的项是否优于随机丢弃同样多的项？",
    "Where the perturbation blocks belong": "扰动模块应放在哪里",
    "Which of the four blocks, on three skips and the latent, is worth its parameters?": "四个模块（三个跳跃连接和瓶颈层）中哪一个值得其参数量？",
}
