"""The only place that changes state: register, request, run, decide, publish."""

from dpsynth.service.exports import Exports, GdprExport
from dpsynth.service.pictures import review_pictures
from dpsynth.service.platform import Platform
from dpsynth.service.releases import Releases
from dpsynth.service.samples import SampleForm, SampleView
from dpsynth.service.views import (
    STAGES,
    DatasetInfo,
    DecisionView,
    Dossier,
    EntryView,
    Explanation,
    Person,
    PictureView,
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
    "Exports",
    "GdprExport",
    "Person",
    "PictureView",
    "Platform",
    "Quote",
    "Releases",
    "RequestForm",
    "RequestView",
    "SampleForm",
    "SampleView",
    "ScopeView",
    "review_pictures",
]
