"""The only place that changes state: register, request, run, decide, publish."""

from dpsynth.service.access import Look, PersonKey, Proposal
from dpsynth.service.attack_reports import watermark
from dpsynth.service.board import BudgetBand, BudgetHistory, BudgetStep
from dpsynth.service.book import MOST_ENTRIES, BookPage, ChainStatus
from dpsynth.service.downloads import Bundle, Download
from dpsynth.service.exports import Exports, GdprExport
from dpsynth.service.findings import Check
from dpsynth.service.offered import Offer, ReleaseFact
from dpsynth.service.pictures import review_pictures
from dpsynth.service.platform import Platform
from dpsynth.service.rehearsal import Limits, Rehearsal, RehearsedPoint
from dpsynth.service.rehearsals import RehearsalForm, Rehearsals, StandInChoice
from dpsynth.service.release_list import ExtensionView, ReleaseView
from dpsynth.service.releases import Releases
from dpsynth.service.requester import RequesterDesk
from dpsynth.service.reviews import Objection, Review
from dpsynth.service.roles import account_text
from dpsynth.service.rulebook import OwnedDataset, PolicyProposal, PolicyVersion, RuledDataset
from dpsynth.service.samples import SampleForm, SampleView
from dpsynth.service.signins import Account, NotFresh, SignIn, SignInOver, UnknownAccount
from dpsynth.service.timeline import Step
from dpsynth.service.uploads import LARGEST, Upload
from dpsynth.service.verifier import Brought, Verification
from dpsynth.service.views import (
    STAGES,
    DatasetInfo,
    DecisionView,
    Dossier,
    EntryView,
    Explanation,
    PauseView,
    Person,
    PictureView,
    Quote,
    RequestForm,
    RequestView,
    ScopeView,
)

__all__ = [
    "LARGEST",
    "MOST_ENTRIES",
    "STAGES",
    "Account",
    "BookPage",
    "Brought",
    "ChainStatus",
    "BudgetBand",
    "BudgetHistory",
    "BudgetStep",
    "Check",
    "Bundle",
    "DatasetInfo",
    "DecisionView",
    "Dossier",
    "Download",
    "EntryView",
    "Explanation",
    "Exports",
    "ExtensionView",
    "GdprExport",
    "Limits",
    "Look",
    "NotFresh",
    "Objection",
    "OwnedDataset",
    "PauseView",
    "Offer",
    "Person",
    "PersonKey",
    "PictureView",
    "Platform",
    "PolicyProposal",
    "PolicyVersion",
    "Proposal",
    "Quote",
    "ReleaseView",
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
    "RuledDataset",
    "SampleForm",
    "SampleView",
    "ScopeView",
    "SignIn",
    "SignInOver",
    "StandInChoice",
    "Step",
    "UnknownAccount",
    "Upload",
    "Verification",
    "account_text",
    "review_pictures",
    "watermark",
]
