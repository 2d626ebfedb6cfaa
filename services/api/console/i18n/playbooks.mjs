// The words of the playbooks that Pulseline ships, by name, beside their YAML; a test keeps the two equal.
// A playbook of the company's own is shown by its name.
export default {
  "call-back-by-account-owner": {
    en: {
      title: "The account owner calls within one working day",
      steps: [
        "Read the alert's evidence",
        "Call and listen first",
        "Agree on one next step and its date",
      ],
    },
    zh: {
      title: "客户负责人一个工作日内致电",
      steps: [
        "阅读预警证据",
        "致电并先倾听",
        "约定下一步及日期",
      ],
    },
  },
  "friendly-reminder": {
    en: {
      title: "A personal reminder on the channel the customer uses",
      steps: [
        "Remind of what was bought last and usually comes next",
        "Ask whether anything is missing",
      ],
    },
    zh: {
      title: "通过客户常用渠道发送个性化提醒",
      steps: [
        "提醒上次购买及通常的下一次",
        "询问是否有未满足的需求",
      ],
    },
  },
  "win-back-offer": {
    en: {
      title: "A time-limited offer on what the customer usually buys",
      steps: [
        "Check the margin",
        "Offer once",
        "Say until when it holds",
      ],
    },
    zh: {
      title: "针对常购商品的限时优惠",
      steps: [
        "核对毛利",
        "只提供一次优惠",
        "说明有效期",
      ],
    },
  },
  "value-review": {
    en: {
      title: "Review the terms with the customer before any discount",
      steps: [
        "Compare use with terms",
        "Propose what fits better",
        "Let the account owner decide on price",
      ],
    },
    zh: {
      title: "先与客户复核合作条款，再谈价格",
      steps: [
        "对比使用情况与条款",
        "提出更合适的方案",
        "由客户负责人决定价格",
      ],
    },
  },
  "make-it-right": {
    en: {
      title: "Replace or repair first, then explain what changes",
      steps: [
        "Apologise for the fault",
        "Replace or repair without paperwork",
        "Report back when fixed",
      ],
    },
    zh: {
      title: "先换货或维修，再说明改进",
      steps: [
        "就问题致歉",
        "免手续换货或维修",
        "解决后回访",
      ],
    },
  },
  "delivery-rescue": {
    en: {
      title: "Find the parcel or the queue, and report before the customer asks",
      steps: [
        "Trace the delay",
        "Give a date that holds",
        "Report back on that date",
      ],
    },
    zh: {
      title: "主动查清物流或排队问题并告知客户",
      steps: [
        "查明延误原因",
        "给出可靠时间",
        "到期回访",
      ],
    },
  },
  "service-recovery": {
    en: {
      title: "A senior agent takes over and closes the case personally",
      steps: [
        "Read the whole thread",
        "Apologise without reasons",
        "Stay the only contact until solved",
      ],
    },
    zh: {
      title: "由资深客服接手并亲自结案",
      steps: [
        "阅读全部沟通记录",
        "真诚致歉",
        "全程专人跟进",
      ],
    },
  },
  "billing-clearance": {
    en: {
      title: "Clear the invoice question before any reminder",
      steps: [
        "Check the invoice",
        "Explain or correct it",
        "Agree on a date",
      ],
    },
    zh: {
      title: "先厘清账单疑问，再催款",
      steps: [
        "核对账单",
        "解释或更正",
        "约定付款日期",
      ],
    },
  },
};
