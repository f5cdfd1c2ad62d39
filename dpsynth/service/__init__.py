"""The only place that changes state: register, request, run, decide, publish."""

from dpsynth.service.access import Look, PersonKey, Proposal
from dpsynth.service.downloads import Bundle, Download
from dpsynth.service.exports import Exports, GdprExport
from dpsynth.service.offered import Offer, ReleaseFact
from dpsynth.service.pictures import review_pictures
from dpsynth.service.platform import Platform
from dpsynth.service.rehearsal import Limits, Rehearsal, RehearsedPoint
from dpsynth.service.rehearsals import RehearsalForm, Rehearsals, StandInChoice
from dpsynth.service.releases import Releases
from dpsynth.service.requester import RequesterDesk
from dpsynth.service.reviews import Objection, Review
from dpsynth.service.roles import account_text
from dpsynth.service.samples import SampleForm, SampleView
from dpsynth.service.signins import Account, NotFresh, SignIn, SignInOver, UnknownAccount
from dpsynth.service.timeline import Step
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
    "Account",
    "Bundle",
    "DatasetInfo",
    "DecisionView",
    "Dossier",
    "Download",
    "EntryView",
    "Explanation",
    "Exports",
    "GdprExport",
    "Limits",
    "Look",
    "NotFresh",
    "Objection",
    "Offer",
    "Person",
    "PersonKey",
    "PictureView",
    "Platform",
    "Proposal",
    "Quote",
    "Rehearsal",
    "RehearsalForm",
    "Rehearsals",
    "RehearsedPoint",
    "ReleaseFact",
    "Releases",
    "RequestForm",
    "RequestView",
    "RequesterDesk",
    "Review",
    "SampleForm",
    "SampleView",
    "ScopeView",
    "SignIn",
    "SignInOver",
    "StandInChoice",
    "Step",
    "UnknownAccount",
    "account_text",
    "review_pictures",
]
