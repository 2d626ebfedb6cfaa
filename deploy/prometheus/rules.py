"""Every recording and alert rule, declared once; `python -m deploy.generate` writes them, a test finds drift.

Only what Prometheus 2.42 and 3 both take. An alert's runbook is docs/runbooks/<its name>.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from deploy.prometheus import slo
from deploy.prometheus.timing import IN_EARNEST, Timing

RUNBOOKS = "http://127.0.0.1:3000/public/runbooks"
"""Where docker-compose.yml's Grafana serves docs/runbooks."""

# As docker-compose.yml limits them (a test compares), in MiB.
MEMORY_MIB = {"ingest": 512, "sentiment": 1024, "churn_alerts": 1280, "api": 768}


@dataclass(frozen=True, slots=True)
class Alert:
    """`expression` is given the timing; `wait` is how long it must hold. Texts may use Prometheus's templates."""

    name: str
    severity: Literal["critical", "warning", "none"]
    wait: str
    expression: Callable[[Timing], str]
    summary_en: str
    summary_zh: str
    description_en: str
    description_zh: str


def _poison(t: Timing) -> str:
    window = t.window("10m")
    return (
        f"sum by (processor) (rate(pulseline_worker_dead_letters_total[{window}])) "
        f"/ sum by (processor) (rate(pulseline_worker_records_total[{window}])) > 0.01"
    )


def _connection_silent(t: Timing) -> str:
    day, lately = t.window("1d"), t.window("6h")
    accepted = 'pulseline_ingest_connection_events_total{outcome="accepted"}'
    return (
        f"sum by (connection) (increase({accepted}[{day}] offset {lately})) > 100 "
        f"unless sum by (connection) (increase({accepted}[{lately}])) > 0 "
        # A connection that was removed leaves this metric.
        "and on (connection) pulseline_ingest_connection_last_seen_timestamp_seconds"
    )


def _connection_refused(t: Timing) -> str:
    window, events = t.window("15m"), "pulseline_ingest_connection_events_total"
    refused = f'sum by (connection) (increase({events}{{outcome=~"signature|payload"}}[{window}]))'
    return f"{refused} > 10 and {refused} / sum by (connection) (increase({events}[{window}])) > 0.2"


def _no_alerts(t: Timing) -> str:
    day, raised = t.window("1d"), "pulseline_churn_alerts_raised_total"
    return (
        f"sum(increase({raised}[{day}])) == 0 and sum(increase({raised}[{t.window('7d')}] offset {day})) >= 7 "
        f"and sum(increase(pulseline_ingest_events_accepted_total[{day}])) > 0"
    )


def _memory(_: Timing) -> str:
    return " or ".join(
        f'process_resident_memory_bytes{{job="pulseline", service="{service}"}} > {0.9 * mib * 2**20:.0f}'
        for service, mib in MEMORY_MIB.items()
    )


ALERTS = (
    Alert(
        "PulselineWatchdog", "none", "0s", lambda _: "vector(1)",
        "Alerting works", "告警链路正常",
        "Always firing. Send it to a dead man's switch: when it stops, alerting itself is broken.",
        "始终触发。把它接到“心跳”服务：一旦停止，说明告警链路本身坏了。",
    ),
    Alert(
        "PulselineServiceDown", "critical", "1m", lambda _: 'up{job="pulseline"} == 0',
        "{{ $labels.service }} does not answer", "{{ $labels.service }} 没有响应",
        "Prometheus has not reached {{ $labels.service }} ({{ $labels.instance }}): stopped, hanging or cut off.",
        "Prometheus 无法访问 {{ $labels.service }}（{{ $labels.instance }}）：进程已停止、卡死或网络不通。",
    ),
    Alert(
        "PulselineServiceRestarting", "warning", "0s",
        lambda t: f'changes(process_start_time_seconds{{job="pulseline"}}[{t.window("1h")}]) >= 3',
        "{{ $labels.service }} starts again and again", "{{ $labels.service }} 反复重启",
        "It has started {{ $value }} times within an hour.",
        "一小时内启动了 {{ $value }} 次。",
    ),
    Alert(
        "PulselineProcessorStopped", "critical", "2m",
        lambda t: f"sum by (processor) (rate(pulseline_worker_records_total[{t.window('5m')}])) == 0",
        "{{ $labels.processor }} handles nothing", "{{ $labels.processor }} 不再处理任何记录",
        "A tick comes to every partition each 5 s, so that a processor at work is never idle; this one is.",
        "每个分区每 5 秒都有一个时钟记录，正常工作的处理器不会空闲，而它已经停住。",
    ),
    Alert(
        "PulselineLagHigh", "critical", "2m",
        lambda t: f"max by (processor) (pulseline_worker_lag_seconds) > {t.age_s('1m')}",
        "{{ $labels.processor }} is {{ $value | humanizeDuration }} behind",
        "{{ $labels.processor }} 落后 {{ $value | humanizeDuration }}",
        "The oldest event not handled yet has waited so long; alerts come late by as much.",
        "最早一条未处理的事件已等待这么久，预警也会晚这么久。",
    ),
    Alert(
        "PulselineKafkaUnreachable", "critical", "0s",
        lambda t: (
            "time() - max by (processor) (pulseline_worker_lag_measured_timestamp_seconds > 0) "
            f"> {t.age_s('1m')}"
        ),
        "{{ $labels.processor }} gets no answer from Kafka", "{{ $labels.processor }} 得不到 Kafka 的响应",
        "Lag was last measured {{ $value | humanizeDuration }} ago; it is asked each 5 s.",
        "上次测得积压是在 {{ $value | humanizeDuration }} 之前；正常情况下每 5 秒测一次。",
    ),
    Alert(
        "PulselineTickerSilent", "critical", "0s",
        lambda t: (
            "time() - min by (processor) (pulseline_worker_watermark_timestamp_seconds > 0) "
            f"> {t.age_s('2m')}"
        ),
        "Event time stands still in {{ $labels.processor }}", "{{ $labels.processor }} 的事件时间停住了",
        "Some partition's event time is {{ $value | humanizeDuration }} old: customers who fall silent raise no alert.",
        "某个分区的事件时间已落后 {{ $value | humanizeDuration }}：沉默流失的客户不会产生预警。",
    ),
    Alert(
        "PulselineRecoverySlow", "warning", "5m", lambda _: "min by (processor) (pulseline_worker_recovery_ratio) < 1",
        "{{ $labels.processor }} is still loading its state", "{{ $labels.processor }} 仍在加载状态",
        "{{ $value | humanizePercentage }} of a partition's state has been read; a million customers take 30 s.",
        "某分区的状态只读了 {{ $value | humanizePercentage }}；一百万客户通常只需 30 秒。",
    ),
    Alert(
        "PulselineRebalancing", "warning", "0s",
        lambda t: f"sum by (processor) (increase(pulseline_worker_rebalances_total[{t.window('15m')}])) > 5",
        "{{ $labels.processor }} is rebalanced again and again", "{{ $labels.processor }} 频繁再均衡",
        "Partitions were handed out {{ $value | humanize }} times in a quarter of an hour; each time work rests.",
        "15 分钟内分区被重新分配了 {{ $value | humanize }} 次，每次处理都会暂停。",
    ),
    Alert(
        "PulselinePoisonShare", "warning", "1m", _poison,
        "{{ $value | humanizePercentage }} of {{ $labels.processor }}'s input is refused",
        "{{ $labels.processor }} 的输入有 {{ $value | humanizePercentage }} 被拒绝",
        "More than 1 % goes to dead letters; at 10 % the processor stops by itself.",
        "超过 1% 的记录进入死信；达到 10% 时处理器会自行停止。",
    ),
    Alert(
        "PulselineDeadLettersOpen", "warning", "1h",
        lambda _: "sum(max by (stage) (pulseline_api_dead_letters_open)) > 0",
        "{{ $value }} dead letters wait for someone", "{{ $value }} 条死信待处理",
        "They are not part of anyone's risk until they are repaired and replayed, or discarded.",
        "在修复重放或丢弃之前，它们不会计入任何客户的风险。",
    ),
    Alert(
        "PulselineProjectionBehind", "critical", "2m",
        lambda t: f"max by (lane) (pulseline_api_projection_lag_seconds) > {t.age_s('1m')}",
        "The console shows {{ $labels.lane }} of {{ $value | humanizeDuration }} ago",
        "控制台上的 {{ $labels.lane }} 是 {{ $value | humanizeDuration }} 之前的",
        "Records wait to be written to PostgreSQL; nothing is lost, but people see and are told late.",
        "记录尚未写入 PostgreSQL；不会丢失，但人们会晚看到、晚收到通知。",
    ),
    Alert(
        "PulselineDatabaseUnreachable", "critical", "0s",
        lambda t: (
            'sum(increase(pulseline_api_projection_retries_total{dependency="postgresql"}'
            f"[{t.window('5m')}])) >= 2"
        ),
        "PostgreSQL does not answer", "PostgreSQL 没有响应",
        "The projection started over {{ $value | humanize }} times. Ingest and alerts go on; the console does not.",
        "投影已重试 {{ $value | humanize }} 次。接入与预警继续，控制台不可用。",
    ),
    Alert(
        "PulselinePoolExhausted", "warning", "2m",
        lambda _: (
            'max by (instance) (pulseline_api_pool_connections{state="used"} '
            "/ ignoring (state) pulseline_api_pool_max_connections) > 0.9"
        ),
        "The API's database connections are all in use", "API 的数据库连接已用尽",
        "{{ $value | humanizePercentage }} of the pool of {{ $labels.instance }} is in use; requests wait.",
        "{{ $labels.instance }} 的连接池已使用 {{ $value | humanizePercentage }}，请求在排队。",
    ),
    Alert(
        "PulselinePostgresConnections", "warning", "5m",
        lambda _: (
            "sum(max by (state) (pulseline_api_postgres_connections)) "
            "/ max(pulseline_api_postgres_max_connections) > 0.8"
        ),
        "PostgreSQL is running out of connections", "PostgreSQL 连接即将耗尽",
        "{{ $value | humanizePercentage }} of what the server takes is in use.",
        "已使用服务器上限的 {{ $value | humanizePercentage }}。",
    ),
    Alert(
        "PulselineConnectionSilent", "warning", "0s", _connection_silent,
        "Nothing comes from {{ $labels.connection }} any more", "{{ $labels.connection }} 不再有数据",
        "It sent {{ $value | humanize }} events the day before and none in the last six hours.",
        "前一天有 {{ $value | humanize }} 个事件，最近六小时一个也没有。",
    ),
    Alert(
        "PulselineConnectionRefused", "warning", "0s", _connection_refused,
        "Deliveries of {{ $labels.connection }} are refused", "{{ $labels.connection }} 的推送被拒绝",
        "{{ $value | humanize }} in a quarter of an hour: wrong signatures or bodies that cannot be read.",
        "15 分钟内 {{ $value | humanize }} 次：签名错误或内容无法解析。",
    ),
    Alert(
        "PulselineNoAlertsForADay", "warning", "0s", _no_alerts,
        "No churn alert for a day", "一整天没有流失预警",
        "Events come in, and alerts came before: thresholds, the model or a processor may be wrong.",
        "有事件流入，此前也有预警：可能是阈值、模型或处理器出了问题。",
    ),
    Alert(
        "PulselineAlertsUntouched", "warning", "0s",
        lambda t: f"max(pulseline_api_alert_untouched_seconds) > {t.age_s('1d')}",
        "An alert has waited {{ $value | humanizeDuration }} for someone",
        "有预警 {{ $value | humanizeDuration }} 无人处理",
        "More alerts are raised than the team works on: lower the capacity in the rules, or help.",
        "预警多于团队能处理的数量：请调低规则中的每日容量，或增加人手。",
    ),
    Alert(
        "PulselineCalibrationDrift", "warning", "1h",
        lambda _: (
            'abs(pulseline:calibration:gap{of="customers"}) > 0.1 '
            "and on (of) max by (of) (pulseline_api_calibration_customers) >= 200"
        ),
        "Predicted risk is off by {{ $value | humanizePercentage }}", "预测风险偏离 {{ $value | humanizePercentage }}",
        "Over the last week whose horizon has ended, the mean predicted risk and the share who left differ by so much.",
        "在期限已满的最近一周中，平均预测风险与实际流失比例相差这么多。",
    ),
    Alert(
        "PulselineRefitOverdue", "warning", "0s",
        lambda t: (
            'time() - min(pulseline_worker_control_in_force_timestamp_seconds{name="churn"} > 0) '
            f"> {t.age_s('35d')}"
        ),
        "The churn model is {{ $value | humanizeDuration }} old", "流失模型已 {{ $value | humanizeDuration }} 未更新",
        "A generation is fitted every 28 days of event time; the last one is older than 35.",
        "模型每 28 天重新拟合一次，最近一次已超过 35 天。",
    ),
    Alert(
        "PulselineEndpointFailing", "warning", "0s",
        lambda t: f"max(pulseline_api_notification_failing_seconds) > {t.age_s('15m')}",
        "A notification endpoint has failed for {{ $value | humanizeDuration }}",
        "有通知端点已失败 {{ $value | humanizeDuration }}",
        "Attempts go on for 27.6 hours each; after five days the endpoint is switched off.",
        "每条通知会重试 27.6 小时；五天后端点将被停用。",
    ),
    Alert(
        "PulselineEndpointDisabled", "critical", "0s",
        lambda _: 'sum(max by (kind) (pulseline_api_notification_endpoints{state="disabled"})) > 0',
        "{{ $value }} notification endpoint is switched off", "{{ $value }} 个通知端点已被停用",
        "It failed for days or said 410 Gone; nobody is told through it until a person switches it on again.",
        "它连续多日失败或返回 410；在人工重新启用之前不会再发送通知。",
    ),
    Alert(
        "PulselineNotificationsLate", "critical", "0s",
        lambda t: f"max(pulseline_api_notification_queue_seconds) > {t.age_s('10m')}",
        "Notifications are {{ $value | humanizeDuration }} late", "通知已延迟 {{ $value | humanizeDuration }}",
        "The notification longest due is not even being tried: the courier is stuck or far behind.",
        "最早到期的通知尚未尝试发送：发送进程卡住或严重积压。",
    ),
    Alert(
        "PulselineSloBurnFast", "critical", "2m", lambda _: slo.burning(slo.FAST),
        "{{ $labels.slo }} burns its error budget fast", "{{ $labels.slo }} 的错误预算消耗过快",
        "{{ $value | humanizePercentage }} bad: at this pace a month's budget lasts two to five days.",
        "错误率 {{ $value | humanizePercentage }}：照此速度，一个月的预算只够两到五天。",
    ),
    Alert(
        "PulselineSloBurnSlow", "warning", "15m", lambda _: slo.burning(slo.SLOW),
        "{{ $labels.slo }} will miss its objective", "{{ $labels.slo }} 将无法达标",
        "{{ $value | humanizePercentage }} bad over a day or more: the month's budget will not last.",
        "一天或更长时间的错误率为 {{ $value | humanizePercentage }}：本月预算不够用。",
    ),
    Alert(
        "PulselineDiskFilling", "critical", "5m",
        lambda t: (
            "min by (service) (pulseline_process_disk_free_bytes / pulseline_process_disk_size_bytes) < 0.1 or "
            f"min by (service) (predict_linear(pulseline_process_disk_free_bytes[{t.window('2h')}], 4 * 3600)) < 0"
        ),
        "The disk of {{ $labels.service }} is filling up", "{{ $labels.service }} 的磁盘即将写满",
        "Less than a tenth is free, or at the pace of the last two hours nothing will be within four.",
        "剩余不足一成，或按最近两小时的速度四小时内会写满。",
    ),
    Alert(
        "PulselineMemoryHigh", "warning", "5m", _memory,
        "{{ $labels.service }} uses {{ $value | humanize1024 }}B of memory",
        "{{ $labels.service }} 占用内存 {{ $value | humanize1024 }}B",
        "More than nine tenths of its limit in docker-compose.yml; at the limit it is killed.",
        "超过 docker-compose.yml 中上限的九成；达到上限会被杀死。",
    ),
)  # fmt: skip


def recording_rules(timing: Timing) -> list[dict[str, Any]]:
    """Return what dashboards and alerts both ask for, computed once."""
    rate = timing.window("5m")
    calibration = "max by (of) (pulseline_api_calibration_{}customers)"
    plain = [
        ("pulseline:events:rate5m", f"sum(rate(pulseline_ingest_events_accepted_total[{rate}]))"),
        ("pulseline:worker_records:rate5m", f"sum by (processor) (rate(pulseline_worker_records_total[{rate}]))"),
        ("pulseline:lag_seconds:max", "max by (processor) (pulseline_worker_lag_seconds)"),
        (
            "pulseline:calibration:gap",
            f"({calibration.format('predicted_')} - {calibration.format('left_')}) / ({calibration.format('')} > 0)",
        ),
    ]
    return [{"record": name, "expr": expression} for name, expression in plain] + [
        {"record": name, "expr": expression, "labels": labels} for name, labels, expression in slo.recording(timing)
    ]


def rule_file(timing: Timing = IN_EARNEST, runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """Return the content of the rule file."""
    return {
        "groups": [
            {"name": "pulseline-recording", "interval": timing.evaluate_every, "rules": recording_rules(timing)},
            {
                "name": "pulseline-alerts",
                "interval": timing.evaluate_every,
                "rules": [_alert(alert, timing, runbooks) for alert in ALERTS],
            },
        ]
    }


def _alert(alert: Alert, timing: Timing, runbooks: str) -> dict[str, Any]:
    wait = {} if alert.wait == "0s" else {"for": timing.patience(alert.wait)}
    return {
        "alert": alert.name,
        "expr": alert.expression(timing),
        **wait,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary_en,
            "summary_zh": alert.summary_zh,
            "description": alert.description_en,
            "description_zh": alert.description_zh,
            "runbook_url": f"{runbooks}/{alert.name}.md",
        },
    }
