"""The only place that changes state: register, request, run, decide, publish."""

from dpsynth.service.platform import Platform
from dpsynth.service.samples import SampleForm, SampleView
from dpsynth.service.views import (
    STAGES,
    DatasetInfo,
    DecisionView,
    Dossier,
    EntryView,
    Explanation,
    Person,
    Quote,
    RequestForm,
    RequestView,
    ScopeView,
)

__all__ = [
    "STAGES",
    "DatasetInfo",
    "DecisionView",
    "Dossier",
    "EntryView",
    "Explanation",
    "Person",
    "Platform",
    "Quote",
    "RequestForm",
    "RequestView",
    "SampleForm",
    "SampleView",
    "ScopeView",
]
