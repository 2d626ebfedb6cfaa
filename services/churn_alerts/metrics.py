"""The churn service's metrics are the worker's own (shared/kafka/metrics.py) and these."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.contracts.alert import Cause, ClearReason, Severity, SignalName

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
CAUSES: tuple[Cause, ...] = get_args(Cause)
SIGNALS: tuple[SignalName, ...] = get_args(SignalName)
CLEAR_REASONS: tuple[ClearReason, ...] = ("returned", "lost", "evidence_undone", "recovered", "merged", "erased")


MODELS = ("churn", "churn.contacts")


class ChurnMetrics:
    """Decisions as they are made; a repeated decision after a crash is counted again, the topic has it once by id."""

    def __init__(self, registry: CollectorRegistry) -> None:
        raised = Counter(
            "pulseline_churn_alerts_raised",
            "Alerts raised, by severity and cause; history apart.",
            ["severity", "cause"],
            registry=registry,
        )
        cleared = Counter(
            "pulseline_churn_alerts_cleared", "Alerts cleared, by reason; history apart.", ["reason"], registry=registry
        )
        signals = Counter(
            "pulseline_churn_alerts_signals",
            "Signals that alerts were raised with, several an alert; history apart.",
            ["signal"],
            registry=registry,
        )
        self.raised = {(severity, cause): raised.labels(severity, cause) for severity in SEVERITIES for cause in CAUSES}
        self.signals = {signal: signals.labels(signal) for signal in SIGNALS}
        self.cleared = {reason: cleared.labels(reason) for reason in CLEAR_REASONS}
        self.updated = Counter(
            "pulseline_churn_alerts_updated", "Updates of open alerts; history apart.", registry=registry
        )
        self.historical = Counter(
            "pulseline_churn_alerts_historical", "Alert records about imported history.", registry=registry
        )
        self.outlooks = Counter("pulseline_churn_alerts_risks", "Risks of customers published.", registry=registry)
        self.rules_published = Counter(
            "pulseline_churn_alerts_rules_published", "Rules versions published for capacity.", registry=registry
        )
        self.rules_version = Gauge(
            "pulseline_churn_alerts_rules_version", "Newest rules version seen in a decision.", registry=registry
        )
        self.decided_model_version = Gauge(
            "pulseline_churn_alerts_decided_model_version",
            "Newest generation of the model seen in an alert, 1 for the shipped prior.",
            registry=registry,
        )
        version = Gauge(
            "pulseline_churn_alerts_model_version",
            "Newest generation of each model that this process passed on to every partition.",
            ["model"],
            registry=registry,
        )
        published = Counter(
            "pulseline_churn_alerts_models_published",
            "Generations passed on to every partition, by model and by whether the guard kept the fit before.",
            ["model", "fit"],
            registry=registry,
        )
        self.model_version = {model: version.labels(model) for model in MODELS}
        self.models_published = {
            (model, fit): published.labels(model, fit) for model in MODELS for fit in ("new", "kept")
        }
        unreadable = Counter(
            "pulseline_churn_alerts_documents_unreadable",
            "Published rules or models that cannot be read; what was in force before them stays.",
            ["document"],
            registry=registry,
        )
        self.unreadable = {document: unreadable.labels(document) for document in ("rules", *MODELS)}
