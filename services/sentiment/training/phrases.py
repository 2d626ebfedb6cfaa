"""Written requests and polite complaints for training: what a service desk hears and public corpora lack.

Corpora of reviews and posts teach that "change", "refund" or "when" are bad news. These sentences, put together from
hand-written parts, teach that asking is neutral and that a courteous report of a fault is still negative. None of the
probe sentences in `probe/` is made here; a test checks it.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.sentiment.training.corpus import NEGATIVE, NEUTRAL, POSITIVE, LabelledText

_SENTENCES: Final = Path(__file__).parent / "written"
"""Sentences that no parts were put together for: faults as plain statements, and enquiries that use the same words."""
_PER_KIND: Final = 800
_SEED: Final = 7

_EN_OPENING: Final = ("", "", "", "Hi, ", "Hello, ", "Good morning, ", "Hey, ", "Hi there, ", "Quick question: ")
_EN_ASK: Final = (
    "how can I {do}?",
    "how do I {do}?",
    "can I {do}?",
    "could you help me {do}?",
    "I'd like to {do}.",
    "I want to {do}.",
    "I need to {do}.",
    "please help me {do}.",
    "is it possible to {do}?",
    "where can I {do}?",
    "what do I need to {do}?",
    "can someone tell me how to {do}?",
    "would it be OK to {do} today?",
    "I was wondering if I can {do}.",
    "when can I {do}?",
)
_EN_DO: Final = (
    "change the shipping address",
    "update my phone number",
    "cancel my booking",
    "return the shoes I bought",
    "exchange it for a larger size",
    "track my package",
    "get an invoice",
    "pay by bank transfer",
    "use my store credit",
    "apply the voucher",
    "reserve a room for two nights",
    "reschedule the visit",
    "renew my membership",
    "pause my subscription",
    "download the receipt",
    "reset the device",
    "connect it to my TV",
    "claim the warranty",
    "get a refund for the second ticket",
    "speak with an adviser",
    "close my account",
    "transfer my number",
    "buy another licence",
    "see my usage",
    "order a spare lid",
    "collect it from the shop",
    "add a passenger",
    "pay in instalments",
    "register the product",
    "turn on notifications",
    "check the balance on my card",
    "send it back by post",
    "book a car for the weekend",
    "find a restaurant near the station",
    "order the same thing again",
    "switch to the monthly plan",
)
_EN_WHAT: Final = (
    "what is the price of {thing}?",
    "do you have {thing}?",
    "do you sell {thing}?",
    "is {thing} available?",
    "how long does {thing} take?",
    "does it include {thing}?",
    "tell me about {thing}.",
    "I'm looking for {thing}.",
    "can you send me the details of {thing}?",
    "where is {thing}?",
    "what are the hours for {thing}?",
    "which {thing} do you recommend?",
    "how much does {thing} cost?",
    "is there a fee for {thing}?",
    "when will {thing} be ready?",
    "find me {thing}, please.",
    "yes, please book {thing}.",
    "no, just {thing}.",
    "what about {thing}?",
    "I would like {thing} for three people.",
)
_EN_THING: Final = (
    "express delivery",
    "the airport shuttle",
    "a double room",
    "the red one",
    "a window seat",
    "the blue jacket in large",
    "an extended warranty",
    "the family plan",
    "a vegetarian menu",
    "the museum ticket",
    "your catalogue",
    "a charger for this model",
    "the installation",
    "the annual plan",
    "a haircut at noon",
    "a cheap hotel in the centre",
    "the order I placed on Monday",
    "a bus to Boston",
    "wireless headphones",
    "the order confirmation",
    "same-day delivery",
    "a size chart",
    "the student rate",
    "a table outside",
    "the replacement part",
    "the cleaning service",
    "the 9:30 train",
    "a two-bedroom apartment",
)
_EN_POLITE: Final = (
    "Could you please look into this? {fault}.",
    "I'm sorry to bother you, but {fault}.",
    "Hello, {fault}. Could you help?",
    "Thank you for your help, but {fault}.",
    "I'd be grateful for an update, as {fault}.",
    "Just to let you know, {fault}.",
    "I'm afraid {fault}.",
    "Unfortunately {fault}.",
    "Kindly note that {fault}.",
    "May I ask why {fault}?",
    "With all due respect, {fault}.",
    "I appreciate your effort; however, {fault}.",
    "Please advise, {fault}.",
    "Excuse me, {fault}, is there anything you can do?",
    "I hate to complain, but {fault}.",
    "I usually enjoy your service, but this time {fault}.",
    "It seems that {fault}. I hope you can sort it out.",
    "Would you mind checking again? {fault}.",
    "I would like to report that {fault}.",
    "Sorry to say, {fault}.",
)
_EN_FAULT: Final = (
    "my order has not arrived yet",
    "the kettle leaks",
    "I have been waiting for nine days",
    "nobody has answered my email",
    "the wrong colour was delivered",
    "a part is missing from the set",
    "the refund has not reached my bank",
    "I was billed twice",
    "the lamp was broken when I opened the box",
    "the engineer never came",
    "the page shows an error whenever I pay",
    "the tablet switches itself off",
    "our room had not been cleaned",
    "the waiter forgot half of our meal",
    "my call was cut off again",
    "the item does not match the description",
    "the dress came apart at the seams",
    "the courier did not ring the bell",
    "the bread was stale",
    "the discount was not applied",
    "you cancelled my reservation without telling me",
    "the fault came back a day after the repair",
    "the agent on the phone was rather short with me",
    "the video keeps freezing",
    "my complaint is still open",
    "an unknown charge appears on my statement",
    "the noise kept us awake",
    "the package was left in the street",
    "the new battery does not hold a charge",
    "I still have not had a reply",
)
_EN_MILD_PRAISE: Final = (
    "not bad at all",
    "not bad, really",
    "it's not bad",
    "no complaints so far",
    "no problems at all",
    "couldn't be happier",
    "can't complain",
    "nothing to complain about",
    "never had an issue with it",
    "it didn't disappoint",
    "I can't fault it",
    "couldn't ask for more",
    "wasn't disappointed",
    "not a single problem in two years",
    "all sorted now, thanks",
    "problem solved, thank you so much",
    "it works perfectly now, thanks for the quick fix",
    "that was faster than expected",
)
_ZH_OPENING: Final = (
    "",
    "",
    "",
    "你好，",
    "您好，",
    "请问",
    "请问一下，",
    "想问一下",
    "麻烦问下，",
    "亲，",
    "在吗？",
    "客服，",
)
_ZH_ASK: Final = (
    "怎么{do}？",
    "如何{do}",
    "在哪里{do}？",
    "可以{do}吗？",
    "能不能{do}",
    "我想{do}",
    "我要{do}",
    "帮我{do}一下",
    "现在能{do}吗",
    "{do}需要什么手续？",
    "{do}要多长时间",
    "{do}收费吗？",
    "什么时候可以{do}？",
    "需要{do}，谢谢",
    "{do}的入口在哪",
    "麻烦{do}",
    "是否支持{do}？",
    "有没有办法{do}",
    "我忘了{do}，现在还来得及吗",
    "之前没有{do}，可以补吗？",
)
_ZH_DO: Final = (
    "更改配送地址",
    "查物流",
    "开发票",
    "取消预订",
    "退掉其中一件",
    "换个尺码",
    "查询订单进度",
    "办理退房",
    "改签车票",
    "升级套餐",
    "续费会员",
    "找回账号",
    "更换手机号",
    "使用代金券",
    "分期付款",
    "预约上门",
    "安排安装",
    "联系人工",
    "领取赠品",
    "下载电子回执",
    "查看积分",
    "注销会员卡",
    "申请售后",
    "登记保修",
    "加急处理",
    "补寄配件",
    "转账到对公账户",
    "订明天的位子",
    "添加一位乘客",
    "合并付款",
    "自提",
    "连接电视",
    "打印合同",
    "授权给同事",
    "导出明细",
    "提前还款",
)
_ZH_WHAT: Final = (
    "{thing}多少钱？",
    "有{thing}吗？",
    "{thing}还有货吗",
    "{thing}几点开始？",
    "{thing}怎么收费？",
    "{thing}要等几天",
    "介绍一下{thing}",
    "我在找{thing}",
    "{thing}包含在内吗？",
    "{thing}在什么地方",
    "哪种{thing}比较合适？",
    "{thing}和普通的有什么不同",
    "{thing}什么时候到货",
    "要{thing}，两份",
    "就订{thing}吧",
    "{thing}是哪里产的？",
    "{thing}怎么用",
    "发我一下{thing}的资料",
    "{thing}可以寄到新疆吗",
    "{thing}的有效期是多久？",
    "有没有{thing}",
    "你们有{thing}吗",
    "房间里有{thing}吗",
    "{thing}有优惠吗？",
    "{thing}能打折吗",
    "{thing}都能用吗",
    "发的是{thing}吗",
    "{thing}是大还是小",
    "想把它换成{thing}",
)
_ZH_THING: Final = (
    "蓝色的那款",
    "加大码",
    "快速到达服务",
    "双人间",
    "靠窗的座位",
    "延保",
    "年卡",
    "儿童套餐",
    "配套的充电线",
    "月付方案",
    "洗衣服务",
    "门票",
    "下一班车",
    "礼盒装",
    "试用装",
    "家庭宽带",
    "上门检测",
    "这本书",
    "原厂滤网",
    "接送机",
    "新款耳机",
    "两居室",
    "团购价",
    "素食",
    "学生票",
    "国际快递",
    "专业版",
    "培训课",
    "熨斗",
    "婴儿床",
    "会员日",
    "顺丰",
    "白色",
    "老客户",
    "电子版",
    "停车位",
)
_ZH_POLITE: Final = (
    "您好，{fault}，麻烦处理一下",
    "不好意思，{fault}，请帮忙看看",
    "请问为什么{fault}？",
    "打扰了，{fault}",
    "谢谢你的回复，但是{fault}",
    "你好，{fault}，希望能尽快解决",
    "我理解你们忙，不过{fault}",
    "辛苦了，可是{fault}",
    "麻烦核实一下，{fault}",
    "想反馈一个情况，{fault}",
    "客服您好，{fault}，能给个说法吗",
    "一直很支持你们，只是这次{fault}",
    "抱歉再次联系，{fault}",
    "请协助，{fault}",
    "{fault}，请问可以怎么办",
    "{fault}，拜托帮忙跟进",
    "说实话，{fault}",
    "可惜{fault}",
)
_ZH_FAULT: Final = (
    "订单一直没有送到",
    "水壶漏水",
    "等了九天还没消息",
    "邮件没有人回",
    "颜色发错了",
    "少了一个零件",
    "退的钱没有收到",
    "重复扣了两次款",
    "打开箱子台灯就是碎的",
    "师傅没有按时来",
    "付款页面总是出错",
    "平板会自己关机",
    "房间没有打扫",
    "漏上了两道菜",
    "电话又被挂了",
    "东西和描述不符",
    "裙子开线了",
    "快递员没有打电话就走了",
    "面包不新鲜",
    "折扣没有算进去",
    "没有通知就取消了我的预订",
    "修好第二天又坏了",
    "接电话的人语气不太好",
    "视频一直卡",
    "反馈的问题没有下文",
    "账单里有一笔不明费用",
    "隔壁太吵睡不好",
    "包裹丢在路边",
    "新电池不耐用",
    "到现在也没有答复",
    "味道很刺鼻",
    "信号断断续续",
)
_ZH_MILD_PRAISE: Final = (
    "还不错",
    "没什么可挑剔的",
    "挑不出毛病",
    "没有失望",
    "问题解决了，谢谢",
    "已经处理好了，多谢",
    "比想象中快",
    "没想到这么好用",
    "用了两年没出过问题",
    "一点都不贵",
    "一点也不吵",
    "不得不说真香",
    "没毛病",
    "从来没让我失望过",
    "服务没话说",
    "无可挑剔",
)
# Faults put together from things and what goes wrong with them, so that both vary.
_EN_BROKEN: Final = (
    (
        (
            "the phone",
            "my headset",
            "the washing machine",
            "the toaster",
            "our router",
            "the tablet",
            "the oven",
            "my watch",
        ),
        (
            "does not turn on any more",
            "stopped charging",
            "makes a strange sound",
            "gets far too hot",
            "was scratched out of the box",
            "lost its connection twice today",
            "broke within a month",
            "failed again after the repair",
            "only works now and then",
            "came without its adapter",
        ),
    ),
    (
        ("the parcel", "my order", "the second box", "the letter", "our furniture", "the gift"),
        (
            "is a week late",
            "went to the wrong town",
            "was left outside in the wet",
            "came with a dented corner",
            "is marked as received but I do not have it",
            "has been stuck in the depot",
            "was only half complete",
            "contained somebody else's things",
            "is not the model I chose",
            "never showed up",
        ),
    ),
    (
        ("my refund", "the last bill", "my deposit", "the direct debit", "the voucher", "my bonus credit"),
        (
            "is still missing",
            "is higher than we agreed",
            "was taken twice",
            "has not been paid out",
            "was refused without a reason",
            "expired before I could use it",
            "shows a charge I do not know",
            "was deducted after I had left you",
        ),
    ),
    (
        ("your colleague", "the receptionist", "the driver", "the nurse", "the fitter", "the person on chat"),
        (
            "did not call me back",
            "was not very friendly",
            "hung up on me",
            "could not answer a simple question",
            "left before the job was done",
            "sent me to another department again",
            "kept me waiting for an hour",
            "promised something that did not happen",
            "did not seem interested",
            "talked over me",
        ),
    ),
    (
        ("the website", "your app", "the dashboard", "the video course", "the payment page", "the game"),
        (
            "keeps asking me to sign in",
            "loses my settings",
            "has been down since noon",
            "shows the wrong balance",
            "shuts down on its own",
            "is painfully slow",
            "deleted my files",
            "no longer lets me print",
            "does not accept my card",
        ),
    ),
    (
        ("the soup", "the fish", "our salad", "the yoghurt", "the pizza", "the coffee"),
        (
            "was lukewarm",
            "tasted off",
            "had a hair in it",
            "was past its date",
            "arrived spilled",
            "was not what I asked for",
            "came an hour late",
        ),
    ),
    (
        ("the coat", "the trousers", "the boots", "the bed", "the shelf", "the curtain"),
        (
            "came apart after a few days",
            "has a hole",
            "smells of chemicals",
            "is much smaller than the chart says",
            "has a stain on it",
            "does not fit together",
            "looks nothing like the photo",
            "faded in the wash",
        ),
    ),
    (
        ("the room", "the heating", "the lift", "the flight", "the train", "the internet line"),
        (
            "was not ready until evening",
            "has been out for days",
            "was cancelled without a word",
            "was too loud to sleep",
            "was dirty",
            "drops every few minutes",
            "left two hours late",
            "had no hot water",
        ),
    ),
)
_EN_TAIL: Final = (
    "",
    "",
    "",
    " since yesterday",
    " again",
    ", for the second time",
    ", and I rely on it",
    ", which is a pity",
)
_ZH_BROKEN: Final = (
    (
        ("手机", "耳麦", "洗衣机", "烤箱", "路由器", "平板", "手环", "电饭煲", "投影仪"),
        (
            "开不了机",
            "充电很慢",
            "有杂音",
            "烫得厉害",
            "拆箱就有划痕",
            "老是断连",
            "用了一个月就坏了",
            "修完又出问题",
            "时好时坏",
            "少了配件",
            "突然没声音了",
            "屏幕有亮点",
        ),
    ),
    (
        ("包裹", "订单", "另一箱", "信件", "家具", "礼物", "快递"),
        (
            "晚了一个礼拜",
            "送到别的城市了",
            "丢在雨里",
            "外箱压坏了",
            "显示已签收可我没拿到",
            "卡在仓库不动",
            "只到了一半",
            "里面是别人的东西",
            "型号发错了",
            "始终没有送来",
            "还没有出库",
            "和图片上不一样",
        ),
    ),
    (
        ("退款", "上个月的账单", "押金", "自动扣款", "代金券", "返现"),
        (
            "还没有到",
            "比说好的多",
            "扣了两遍",
            "迟迟不退",
            "无故被拒",
            "没用就过期了",
            "有一笔不认识的费用",
            "没经过同意就扣了",
            "结算时用不上",
        ),
    ),
    (
        ("你们同事", "接待的人", "司机", "安装的人", "在线客服", "店里的人", "维修人员"),
        (
            "没有回电话",
            "不太客气",
            "挂了我的电话",
            "答不上来",
            "没弄完就走了",
            "把我转来转去",
            "让我等了一小时",
            "答应的事没做到",
            "爱答不理",
            "说话有点冲",
            "每次说法都不同",
        ),
    ),
    (
        ("网站", "小程序", "后台", "网课", "支付页", "游戏", "系统"),
        (
            "一直要求重新登录",
            "设置总丢",
            "从中午就打不开",
            "余额显示不对",
            "自己退出",
            "慢得不行",
            "把我的文件弄没了",
            "打印不了",
            "老是提示出错",
            "进不去",
        ),
    ),
    (
        ("汤", "鱼", "沙拉", "酸奶", "披萨", "咖啡", "水果"),
        (
            "是凉的",
            "味道不对",
            "里面有头发丝",
            "快过期了",
            "洒了一半",
            "不是我点的",
            "晚了一小时才到",
            "有几个是烂的",
            "份量少了",
        ),
    ),
    (
        ("外套", "裤子", "靴子", "床", "书架", "窗帘", "柜子"),
        (
            "穿几天就开线了",
            "有个洞",
            "一股药水味",
            "比尺码表小很多",
            "有污渍",
            "装不上",
            "跟照片差很多",
            "一洗就褪色",
            "关不严",
        ),
    ),
    (
        ("房间", "暖气", "电梯", "航班", "火车", "宽带", "热水"),
        (
            "到晚上才能住",
            "停了好几天",
            "没通知就取消了",
            "吵得没法睡",
            "不干净",
            "几分钟断一次",
            "晚了两个小时",
            "和预订的不一样",
            "一直没人来修",
        ),
    ),
)
_ZH_TAIL: Final = ("", "", "", "，已经第二次了", "，才用了没多久", "，耽误了不少事", "，有点失望", "，等了好些天")


def _faults(groups: Sequence[tuple[Sequence[str], Sequence[str]]], joint: str, tails: Sequence[str]) -> list[str]:
    return [
        thing + joint + wrong + tail
        for things, wrongs in groups
        for thing, wrong, tail in itertools.product(things, wrongs, tails)
    ]


_EN_PRAISED: Final = ("", "the hotel was ", "the soup was ", "your support is ", "the new version is ", "the sound is ")
_EN_NOT_BAD: Final = (
    "not bad at all",
    "not bad",
    "not too bad",
    "not half bad",
    "nothing short of great",
    "not bad, actually",
)
_EN_THANKS: Final = ("", "!", ", thanks", ", I would come again", " for the price", ", well done")
_ZH_GREETING: Final = ("", "", "您好，", "你好，", "客服您好，", "早上好，")
# Frames with what they ask about or report: each group is its frames times its fillers.
_Groups = Sequence[tuple[Sequence[str], Sequence[str]]]
_ZH_QUESTIONS: Final[_Groups] = (
    (
        # Does it fit what I have: reviews speak of machines and sizes mostly to complain.
        (
            "{}适合两个人用吗？",
            "{}适合三口之家的尺寸吗",
            "{}能配我家的机器吗",
            "{}跟老款机器通用吗？",
            "这个{}支持几人份的",
            "{}装得进小号的吗",
        ),
        (
            "滤网",
            "电饭煲内胆",
            "咖啡滤杯",
            "蒸笼",
            "保温壶",
            "搅拌杯",
            "充电底座",
            "替换刷头",
            "水箱",
            "烤盘",
            "密封圈",
            "奶瓶",
        ),
    ),
    (
        ("{}有优惠吗", "{}打折不", "{}能便宜点吗？", "有给{}的专享价吗", "{}怎么认证身份", "{}要带什么证件"),
        ("老人", "军人", "教师", "新用户", "企业客户", "儿童", "残疾人", "团体", "银卡会员", "医护人员", "外地游客"),
    ),
    (
        ("走{}吗", "可以指定{}吗", "默认是{}吗？", "用{}的话运费多少", "改成{}要加钱吗", "{}到我这里几天"),
        ("京东物流", "邮政", "中通", "德邦", "同城配送", "航空件", "陆运", "到付", "冷链", "菜鸟驿站", "丰巢"),
    ),
    (
        (
            "我{}，怎么改",
            "我{}，还能改吗？",
            "刚才{}，麻烦改一下",
            "{}了，可以重新填吗",
            "{}，请帮我备注",
            "{}，需要重新下单吗",
        ),
        (
            "填错门牌号",
            "选错颜色",
            "买大了一码",
            "少写了楼层",
            "漏填发票抬头",
            "用错优惠码",
            "拍多了一件",
            "选错日期",
            "写错名字",
            "留了旧号码",
            "选成了自提",
            "点错口味",
            "忘了选赠品",
        ),
    ),
    (
        (
            "我{}，能让邻居代收吗",
            "我{}，可以晚点送吗",
            "{}的话可以放前台吗",
            "我{}，能换个时间上门吗？",
            "{}能改派到公司吗",
        ),
        ("出差了", "不在本地", "周末才在家", "明天要上班", "下周搬家", "白天没人", "七点以后到家", "这几天住酒店"),
    ),
    (
        ("有{}服务吗", "提供{}吗？", "你们做{}吗", "{}怎么预约", "{}需要提前几天订", "{}要另外收费吗", "{}几点到几点"),
        (
            "叫醒",
            "送餐",
            "刻字",
            "代客泊车",
            "行李寄存",
            "上门取件",
            "清洗",
            "以旧换新",
            "免费试用",
            "礼品包装",
            "代驾",
            "夜间配送",
            "儿童托管",
            "早餐",
            "健身房",
            "洗车",
            "租赁",
            "企业采购",
            "货到付款",
        ),
    ),
    (
        ("{}是标配吗", "要不要单独配{}", "盒子里有{}吗？", "带{}吗", "{}要自己准备吗", "{}能单卖吗", "{}坏了能单买吗"),
        (
            "电池",
            "数据线",
            "说明书",
            "遥控器",
            "支架",
            "收纳袋",
            "转接头",
            "滤芯",
            "螺丝",
            "耳塞",
            "保护膜",
            "内存卡",
            "鼠标",
        ),
    ),
    (
        (
            "请帮我{}",
            "麻烦{}，谢谢",
            "帮忙{}一下",
            "我想{}，怎么操作",
            "{}在哪个菜单里",
            "可以代我{}吗",
            "{}要多久生效",
        ),
        (
            "重发验证码",
            "解绑手机",
            "更新实名信息",
            "合并两个订单",
            "撤销刚才的申请",
            "修改备注",
            "把订单拆开发",
            "换成电子票",
            "暂停自动扣款",
            "关闭消息推送",
            "登录另一台设备",
            "转给主管",
            "接通人工座席",
            "导出账单",
            "补开收据",
            "延长一天",
        ),
    ),
    (
        ("{}是多少", "{}是什么规格", "告诉我{}", "{}怎么看？", "哪里能查到{}", "{}有说明吗", "不同型号的{}一样吗"),
        (
            "保质期",
            "净重",
            "功率",
            "容量",
            "生产日期",
            "面料成分",
            "适用年龄",
            "尺寸",
            "接口类型",
            "屏幕大小",
            "保修年限",
            "有效里程",
            "充电时间",
            "最大承重",
            "防水等级",
            "过敏原",
            "产地",
            "库存",
        ),
    ),
    (
        ("{}支持吗", "{}也能用吗？", "适合{}吗", "{}可以装吗", "给{}用选哪款", "{}用哪个型号合适", "在{}能用多久"),
        (
            "苹果手机",
            "平板电脑",
            "孕妇",
            "小户型",
            "敏感肌",
            "安卓系统",
            "国外",
            "户外",
            "新手",
            "三口之家",
            "老款车",
            "宠物",
        ),
    ),
    (
        (
            "{}有什么用",
            "{}怎么算",
            "{}能换什么",
            "{}什么时候到账",
            "{}可以转让吗",
            "{}会过期吗？",
            "怎么拿到{}",
            "{}在哪里领",
        ),
        (
            "积分",
            "红包",
            "推荐奖励",
            "会员成长值",
            "签到金币",
            "满减券",
            "生日礼",
            "返利",
            "礼品卡",
            "抵用券",
            "邀请码",
        ),
    ),
    (
        ("你们{}", "请问{}", "想了解{}", "{}，方便说下吗", "{}，谢谢"),
        (
            "周日上班吗",
            "在哪个城市有店",
            "客服几点下班",
            "最近的网点在哪",
            "支持对公付款吗",
            "可以签合同吗",
            "收外币吗",
            "有英文客服吗",
            "需要押金吗",
            "能不能开专票",
            "有没有样品",
            "几号放假",
            "接受团购吗",
            "可以现场看货吗",
            "招不招代理",
            "能发到国外吗",
            "最少订多少件",
            "提前多久可以取消",
            "多大算儿童票",
            "能带小狗进店吗",
        ),
    ),
    (
        (
            "{}到哪了",
            "查下{}",
            "{}现在什么状态",
            "{}审核好了吗？",
            "{}今天能出结果吗",
            "{}还要走什么流程",
            "{}办到哪一步了",
        ),
        (
            "我的包裹",
            "昨天的订单",
            "退货申请",
            "报修单",
            "开户申请",
            "理赔",
            "签证材料",
            "贷款",
            "换货",
            "发票",
            "入学报名",
        ),
    ),
)
_EN_QUESTIONS: Final[_Groups] = (
    (
        ("Is {} required?", "Do I need {}?", "Can I pay without {}?", "Where do I upload {}?", "Will you ask for {}?"),
        (
            "a passport",
            "a credit check",
            "an account",
            "a signature",
            "proof of address",
            "a minimum order",
            "a licence",
            "a reservation",
            "an ID",
            "the original box",
            "a receipt",
        ),
    ),
    (
        (
            "What is the {}?",
            "What's your {}?",
            "Could you tell me the {}?",
            "Where can I see the {}?",
            "Is the {} fixed?",
        ),
        (
            "weight limit",
            "check-in time",
            "expiry date",
            "return window",
            "delivery area",
            "storage temperature",
            "contract length",
            "screen size",
            "calorie count",
            "thread count",
            "warranty period",
            "opening time",
            "minimum age",
            "battery capacity",
            "dress code",
            "shipping cutoff",
        ),
    ),
    (
        ("Please {} on arrival.", "Please {}, thanks.", "Kindly {}.", "Could the driver {}?", "Ask them to {}."),
        (
            "knock on the back door",
            "leave it with the porter",
            "call me first",
            "use the garage entrance",
            "ring twice",
            "put it behind the gate",
            "text before you come",
            "hand it to my neighbour",
            "wait downstairs",
        ),
    ),
    (
        ("Does it work with {}?", "Is this suitable for {}?", "Which one fits {}?", "Do you have a version for {}?"),
        (
            "older phones",
            "beginners",
            "sensitive skin",
            "a small kitchen",
            "left-handed people",
            "a family of five",
            "winter",
            "outdoor use",
            "a Mac",
            "diabetics",
            "toddlers",
            "an electric hob",
        ),
    ),
    (
        ("Does {} get a discount?", "Is there a rate for {}?", "What do I show as {}?", "How do I register as {}?"),
        ("a senior", "a teacher", "a charity", "a returning customer", "a large group", "a nurse", "a veteran"),
    ),
)
_ZH_REPORTS: Final[_Groups] = (
    (
        # Against the courtesy "麻烦了" at the end of a request.
        (
            "{}太麻烦了",
            "{}真麻烦",
            "{}太麻烦，不想用了",
            "{}麻烦死了，没人帮忙",
            "你们{}也太麻烦了吧",
            "{}特别麻烦，折腾了半天",
        ),
        (
            "换货手续",
            "开发票",
            "注册账号",
            "退款步骤",
            "实名认证",
            "取件",
            "安装过程",
            "联系客服",
            "改地址",
            "报修流程",
            "申请售后",
            "办会员卡",
        ),
    ),
    (
        (
            "您好，{}",
            "你好，{}，希望注意一下",
            "{}，麻烦看看",
            "反馈一下，{}",
            "不好意思，{}",
            "请问{}怎么处理",
            "{}，能帮忙解决吗",
        ),
        (
            "菜送来的时候是凉的",
            "汤洒了一半",
            "收到的是旧包装",
            "杯口有毛边，割到嘴了",
            "水果有一半是坏的",
            "点的是大份送的是小份",
            "快到期的酸奶也发过来了",
            "详情页写的功能没有",
            "拿到的和图片差很多",
            "订的是海景房，给的是朝街的",
            "两双只到了一双",
            "地址没错却送到别的小区",
            "电话排队半小时没接通",
            "同样的商品别人买得更便宜",
            "没开通的业务每月在收费",
            "导航指错路，错过了航班",
            "装好的门关不拢",
            "粥里吃出了沙子",
            "孩子的玩具掉漆",
            "预约的时间没人来",
            "课程打不开也没人管",
            "退押金拖到现在",
            "座椅一直晃",
            "维修以后还是老问题",
            "店员让我等了很久又说没货",
            "说好当天到，三天了还没动静",
            "空调漏水把地板泡了",
        ),
    ),
)
_EN_REPORTS: Final[_Groups] = (
    (
        (
            "Hello, {}.",
            "I hope you can help, {}.",
            "{}, could you look into it?",
            "I thought you should know that {}.",
            "Would a replacement be possible? I ask because {}.",
            "I've always liked you, but {}.",
            "{}. Any news?",
        ),
        (
            "the app shuts down whenever I sign in",
            "tracking says it arrived but the porch is empty",
            "the shoes came apart within a fortnight",
            "the display has a dark line",
            "the promo code is refused at checkout",
            "the clerk did not want to help",
            "I was told two days and it has been two weeks",
            "the glass came in pieces",
            "I took a day off and nobody came",
            "I have explained this to three people already",
            "I keep being passed from one team to the next",
            "an older version was sent than the one shown",
            "the sauna has been closed since spring",
            "the answer took far too long",
            "the room smelled of smoke",
            "the soup was cold when it got here",
            "half of the fruit was rotten",
            "the mattress sags after a month",
            "somebody else's order was in the bag",
            "the charger gets hot",
            "the seat was already taken",
            "I pay every month for something I never ordered",
            "the printer has jammed since the last update",
        ),
    ),
)
# Faults of software as people report them without any courtesy, and what may follow.
_EN_PLAIN: Final = (
    (
        (
            "the app",
            "your app",
            "the mobile app",
            "the program",
            "the desktop client",
            "the game",
            "the browser plugin",
        ),
        (
            "keeps crashing",
            "crashes",
            "freezes",
            "hangs",
            "quits by itself",
            "closes by itself",
            "will not open",
            "won't start",
            "shows a black screen",
            "gets stuck on the loading screen",
            "stops responding",
            "lags badly",
            "loses my settings",
        ),
    ),
    (
        (
            "the page",
            "the website",
            "the checkout",
            "the portal",
            "the dashboard",
            "the search",
            "the form",
            "the chart",
        ),
        (
            "does not load",
            "won't load",
            "keeps loading",
            "gives an error",
            "shows an error message",
            "times out",
            "is blank",
            "is down",
            "freezes",
            "throws me back to the start",
            "signs me out",
            "is full of wrong numbers",
            "takes ages to appear",
        ),
    ),
)
_EN_PLAIN_TAIL: Final = (
    "",
    ".",
    " when I open a chat",
    " every time I tap save",
    " on my phone",
    " since the last update",
    " several times a day.",
    " as soon as I scroll.",
    " after I sign in",
)
_EN_IN_CASE: Final[_Groups] = (
    (
        (
            "What can I do if {}?",
            "Who do I call if {}?",
            "What happens when {}?",
            "Is there a guide for when {}?",
            "Does the warranty cover it if {}?",
            "Whom do we tell if {} one day?",
        ),
        (
            "a page does not load",
            "an app freezes",
            "the app crashes",
            "a screen stays blank",
            "a card is declined",
            "a device won't start",
            "a part is missing",
            "a payment fails",
            "the site is down",
            "a parcel is damaged",
            "a file is lost",
            "someone is locked out",
            "the battery is empty",
            "an error message appears",
            "a delivery is late",
        ),
    ),
)
_ZH_IN_CASE: Final[_Groups] = (
    (
        ("如果{}怎么办？", "{}的话该联系谁？", "万一{}，可以换吗？", "请问{}一般是什么原因？", "{}算保修范围吗？"),
        (
            "页面打不开",
            "应用闪退",
            "收不到验证码",
            "付款失败",
            "包裹丢了",
            "少了配件",
            "设备开不了机",
            "网络断了",
            "账号被锁",
            "屏幕碎了",
            "快递晚到",
            "文件丢失",
        ),
    ),
)
_PER_PLAIN_KIND: Final = 300
SOURCES: Final = ("service.en", "service.zh")
_EN_CLOSING: Final = ("thanks", "thank you", "thanks in advance", "many thanks", "cheers", "please", "appreciate it")
_ZH_CLOSING: Final = (
    "麻烦了", "麻烦您了", "麻烦你了", "谢谢", "谢谢啦", "辛苦了", "辛苦啦", "拜托了", "打扰了", "劳驾", "多谢"
)  # fmt: skip
_CLOSED_SHARE: Final = 0.3
"""Share of requests that end in a courtesy. Reviews use the same words to complain ("太麻烦了"); both must be met."""
_END_MARKS: Final = "?？!！.。"


def written_texts() -> list[LabelledText]:
    """Return the sentences, the same every time: neutral requests, polite complaints, praise by negation."""
    chance = random.Random(_SEED)  # noqa: S311  # a fixed sample, not a secret
    english = [
        *_some(chance, _Combined(_EN_OPENING, _EN_ASK, "{do}", _EN_DO), NEUTRAL, "service.en"),
        *_some(chance, _Combined(_EN_OPENING, _EN_WHAT, "{thing}", _EN_THING), NEUTRAL, "service.en"),
        *_some(chance, _Combined(("",), _EN_POLITE, "{fault}", _EN_FAULT), NEGATIVE, "service.en"),
        *_some(
            chance,
            _Combined(_EN_OPENING, _EN_POLITE, "{fault}", _faults(_EN_BROKEN, " ", _EN_TAIL)),
            NEGATIVE,
            "service.en",
        ),
        *_some(chance, _Fillings(_EN_QUESTIONS), NEUTRAL, "service.en"),
        *_some(chance, _Fillings(_EN_REPORTS), NEGATIVE, "service.en"),
        *(LabelledText(text, POSITIVE, "service.en") for text in _EN_MILD_PRAISE),
        *(LabelledText("".join(parts), POSITIVE, "service.en") for parts in _not_bad()),
        *_sentences("en"),
    ]
    chinese = [
        *_some(chance, _Combined(_ZH_OPENING, _ZH_ASK, "{do}", _ZH_DO), NEUTRAL, "service.zh"),
        *_some(chance, _Combined(_ZH_OPENING, _ZH_WHAT, "{thing}", _ZH_THING), NEUTRAL, "service.zh"),
        *_some(chance, _Combined(("",), _ZH_POLITE, "{fault}", _ZH_FAULT), NEGATIVE, "service.zh"),
        *_some(
            chance,
            _Combined(_ZH_GREETING, _ZH_POLITE, "{fault}", _faults(_ZH_BROKEN, "", _ZH_TAIL)),
            NEGATIVE,
            "service.zh",
        ),
        *_some(chance, _Fillings(_ZH_QUESTIONS), NEUTRAL, "service.zh", 2 * _PER_KIND),
        *_some(chance, _Fillings(_ZH_REPORTS), NEGATIVE, "service.zh"),
        *(LabelledText(text, POSITIVE, "service.zh") for text in _ZH_MILD_PRAISE),
        *_sentences("zh"),
    ]
    plain = random.Random(_SEED)  # noqa: S311  # as above; apart, so that it moves no other choice
    english += [
        *_some(plain, _faults(_EN_PLAIN, " ", _EN_PLAIN_TAIL), NEGATIVE, "service.en", _PER_PLAIN_KIND),
        *_some(plain, _faults(_EN_BROKEN, " ", _EN_TAIL), NEGATIVE, "service.en", _PER_PLAIN_KIND),
        *_some(plain, _Fillings(_EN_IN_CASE), NEUTRAL, "service.en"),
    ]
    chinese += [
        *_some(plain, _faults(_ZH_BROKEN, "", _ZH_TAIL), NEGATIVE, "service.zh", _PER_PLAIN_KIND),
        *_some(plain, _Fillings(_ZH_IN_CASE), NEUTRAL, "service.zh"),
    ]
    closings = random.Random(_SEED)  # noqa: S311  # as above
    english = [_closed(closings, row, _EN_CLOSING, ", ") for row in english]
    chinese = [_closed(closings, row, _ZH_CLOSING, "，") for row in chinese]
    return [*english, *chinese]


@dataclass(frozen=True, slots=True)
class _Combined:
    """Every opening with every frame with every filler in its slot, by number."""

    openings: Sequence[str]
    frames: Sequence[str]
    slot: str
    fillers: Sequence[str]

    def __len__(self) -> int:
        return len(self.openings) * len(self.frames) * len(self.fillers)

    def __getitem__(self, number: int) -> str:
        rest, filler = divmod(number, len(self.fillers))
        opening, frame = divmod(rest, len(self.frames))
        return self.openings[opening] + self.frames[frame].replace(self.slot, self.fillers[filler])


class _Fillings:
    """Every frame of every group with every filler of its group, by number."""

    def __init__(self, groups: _Groups) -> None:
        self._pairs = [(frame, filler) for frames, fillers in groups for frame in frames for filler in fillers]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> str:
        frame, filler = self._pairs[number]
        return frame.replace("{}", filler)


def _closed(chance: random.Random, row: LabelledText, closings: Sequence[str], comma: str) -> LabelledText:
    """Return a request as it is, or with a courtesy at its end."""
    if row.label != NEUTRAL or chance.random() >= _CLOSED_SHARE:
        return row
    between = comma.lstrip(",，") if row.text[-1] in _END_MARKS else comma
    return LabelledText(row.text + between + chance.choice(closings), row.label, row.source)


def _sentences(language: str) -> Iterator[LabelledText]:
    for kind, label in (("faults", NEGATIVE), ("enquiries", NEUTRAL)):
        for text in (_SENTENCES / f"{kind}.{language}.txt").read_text(encoding="utf-8").splitlines():
            yield LabelledText(text, label, f"service.{language}")


def _not_bad() -> Iterator[tuple[str, str, str]]:
    return itertools.product(_EN_PRAISED, _EN_NOT_BAD, _EN_THANKS)


def _some(
    chance: random.Random, texts: _Combined | _Fillings | Sequence[str], label: int, source: str, count: int = _PER_KIND
) -> list[LabelledText]:
    # Twice as many as wanted, since some numbers give the same sentence.
    numbers = chance.sample(range(len(texts)), min(2 * count, len(texts)))
    different = dict.fromkeys(texts[number] for number in numbers)
    return [LabelledText(text, label, source) for text in itertools.islice(different, count)]
