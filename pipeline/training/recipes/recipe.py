"""A model's YAML as one typed recipe: input, augmentation, network, training."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.core.bounds import Epochs, SeedCount, SeedOffset
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.core.paths import model_path
from pipeline.core.targets.grade_heads import GradesHead
from pipeline.images.augmentation import Augmentation
from pipeline.images.preprocessing import Steps
from pipeline.images.views import Views, remove_mirror_views
from pipeline.networks.build import ON_FEATURES, Network
from pipeline.networks.inputs import Normalise
from pipeline.networks.mlp_hog import MlpHog
from pipeline.training.recipes import balance, distillation
from pipeline.training.recipes.averaging import BEST_MARK, EpochAverage
from pipeline.training.recipes.balance import Balance
from pipeline.training.recipes.distillation import Distillation
from pipeline.training.recipes.model_yaml import Settings, read_model
from pipeline.training.recipes.phase_recipe import PhaseRecipe
from pipeline.training.recipes.pseudo import PseudoLabelling
from pipeline.training.recipes.standalone import DoubtedRows
from pipeline.training.recipes.target_losses import Loss, LossSettings


class Input(Section):
    """What the network sees.

    Attributes:
        size: side in pixels; None means the competition's storage size.
        normalise: ``auto`` is the backbone's own, or [-1, 1]; ``unit`` [0, 1]; ``dataset`` by mean and deviation of the
            fold's training images; ``image`` by those of each image.
        preprocess: what every image goes through beforehand, once: equalisation, denoising...
    """

    size: int | None = Field(default=None, ge=4, le=2048)
    normalise: Normalise = "auto"
    preprocess: Steps = ()


class Training(PhaseRecipe):
    """How long and how a network is trained: its last phase, and what holds for all of them.

    Attributes:
        before: phases that come before this one, in order.
        select: which weights are kept: the ``last`` ones (their average where ``optimizer.ema`` is set), or the
            ``best`` epoch by validation loss; the latter uses the fold whose score is reported, and the card says so.
        label_smoothing: share of each target that is spread over all classes; of labels, moved towards 1/2.
        focal_gamma: of the focal loss, which gives easy images less weight; 0 is cross-entropy.
        loss: another than the target's own, by its name: `mse`, `mae` and `huber` of numbers, `asymmetric` of labels,
            `kl` of shares of votes.
        loss_weights: of several targets, what each counts; 1 where none is named.
        grades: the head of ordered grades: their probabilities, their number, or the steps from each to the next.
        distill: soft labels of a teacher that the student learns from as well.
        pseudo: test images of which teachers are sure, as further training rows.
        patience: stops after so many epochs without a lower validation loss; needs ``select: best``.
        validate_every: epochs between evaluations on the validation fold; they cost time and, alone, decide nothing.
        average: what is kept instead of the last weights: their mean over the last epochs, or over the best.
    """

    before: tuple[PhaseRecipe, ...] = ()
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    focal_gamma: float = Field(default=0.0, ge=0.0, le=10.0)
    loss: Loss | None = None
    loss_weights: dict[str, Annotated[float, Field(gt=0.0)]] = Field(default_factory=dict)
    grades: GradesHead = "classification"
    distill: Distillation | None = None
    pseudo: PseudoLabelling | None = None
    select: Literal["last", "best"] = "last"
    patience: Epochs | None = None
    validate_every: Epochs = 1
    average: EpochAverage | None = Field(default=None, exclude_if=lambda average: average is None)

    @model_validator(mode="after")
    def _settings_agree(self) -> "Training":
        if self.average is not None:
            if self.select == "best" or self.optimizer.ema or self.schedule.name == "plateau":
                raise ValueError(
                    "average keeps weights of its own; leave out select: best, optimizer.ema and schedule plateau"
                )
            if self.average.count > self.epochs:
                key = "epochs" if self.average.best is None else "best"
                raise ValueError(f"average.{key} must be at most epochs ({self.epochs}), got {self.average.count}")
        if self.patience is not None and self.select != "best":
            raise ValueError("patience needs select: best")
        chosen = self.select == "best" or (self.average is not None and self.average.best is not None)
        if self.validate_every > 1 and (chosen or self.schedule.name == "plateau"):
            raise ValueError("select: best, average.best and schedule plateau need validate_every: 1")
        if any(phase.schedule.name == "plateau" for phase in self.before):
            raise ValueError("schedule plateau belongs to the last phase")
        heads = [phase.unfreeze == "head" for phase in self.phases]
        if heads != sorted(heads, reverse=True):
            raise ValueError("unfreeze: head must not follow a phase that trains more than the head")
        kept = [phase.on_features for phase in self.phases]
        if kept != sorted(kept, reverse=True):
            raise ValueError("a phase with prefix must not follow one that trains the backbone without")
        return self

    @property
    def loss_settings(self) -> LossSettings:
        """All that makes the loss."""
        counted = self.pseudo is not None and self.pseudo.weight != 1
        return LossSettings(self.loss, self.label_smoothing, self.focal_gamma, self.loss_weights, counted)

    @property
    def phases(self) -> "tuple[PhaseRecipe, ...]":
        """All phases in order, the last one included."""
        return *self.before, self

    @property
    def all_epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def peeked(self) -> tuple[str, ...]:
        """Choices made on the fold whose score is reported."""
        found = ["epoch chosen on the validation fold"] if self.select == "best" else []
        found += [BEST_MARK] if self.average and self.average.best else []
        found += ["stopped on the validation fold"] if self.patience else []
        found += ["learning rate lowered on the validation fold"] if self.schedule.name == "plateau" else []
        return tuple(found)


class Recipe(Section):
    """All settings of one network, from ``configs/models/<model>.yaml``.

    Attributes:
        network: what is built.
        more_rows: whether the competition's rows from elsewhere train, too.
        doubted: of the rows in ``configs/doubted/<competition>.csv``: ``keep`` trains on them as they are labelled,
            ``drop`` leaves them out of training, ``relabel`` trains on the class ``predicted``; all are validated as
            they are labelled.
        seeds: trainings of each fold, averaged, each with the next seed; None means as many as ``train.seeds``.
        seed_offset: added to ``train.seed``: a copy of a model's file with it is another model, with other luck.
    """

    input: Input = Input()
    augmentation: Augmentation = Augmentation()
    network: Network
    training: Training
    balance: Balance = Balance()
    views: Views = Views()
    more_rows: bool = True
    doubted: DoubtedRows = "keep"
    seeds: SeedCount | None = Field(default=None, exclude_if=lambda seeds: seeds is None)
    seed_offset: SeedOffset = Field(default=0, exclude_if=lambda offset: offset == 0)

    @property
    def is_random(self) -> bool:
        """Whether another seed trains another model."""
        return True

    @model_validator(mode="after")
    def _phases_fit_the_network(self) -> "Recipe":
        if self.balance.stronger and all(phase.on_features for phase in self.training.phases):
            raise ValueError("balance.stronger needs images: a head alone sees features; so do layers above a prefix")
        if isinstance(self.network, MlpHog) and any(phase.unfreeze != "head" for phase in self.training.phases):
            raise ValueError("mlp_hog trains its head alone: every phase must say unfreeze: head")
        if isinstance(self.network, MlpHog) and self.input.normalise != "auto":
            raise ValueError("input.normalise has no effect on gradients, which are normalised by block; leave it out")
        frozen = next((phase.unfreeze for phase in self.training.phases if phase.unfreeze != "all"), None)
        if frozen is not None and not isinstance(self.network, ON_FEATURES):
            raise ValueError(f"training.unfreeze: {frozen} needs a pretrained network; this one has no backbone")
        for key, used in (("layer_decay", lambda phase: phase.layer_decay < 1), ("prefix", lambda phase: phase.prefix)):
            if not isinstance(self.network, ON_FEATURES) and any(map(used, self.training.phases)):
                raise ValueError(f"training.{key} needs a pretrained network; this one has no backbone")
        kept = [phase for phase in self.training.phases if phase.on_features]
        changed = self.augmentation.transforms or self.augmentation.policy or self.augmentation.mixup
        if len(kept) == len(self.training.phases) and (changed or self.augmentation.cutmix):
            if self.augmentation.mixup or self.augmentation.cutmix:
                raise ValueError("augmentation.mixup and cutmix need images: a head, or what a prefix feeds, sees none")
            if not any(phase.prefix.draws if phase.prefix else phase.draws for phase in kept):
                key = "training.prefix.draws" if self.training.prefix else "training.draws"
                raise ValueError(f"augmentation has no effect on features computed once: set {key}, to 5 or so")
        if self.views.size and self.training.on_features:
            raise ValueError("views.size needs a network that trains on images: a head alone sees features of one size")
        if kept and self.input.normalise == "dataset":
            raise ValueError("input.normalise: dataset differs between folds, which share the features of a head")
        return self

    @property
    def peeked(self) -> tuple[str, ...]:
        """Choices made on rows whose score is reported, or by models that trained on them."""
        marks = {distillation.SOFT_LABELS_MARK: self.training.distill, balance.WEAK_CLASSES_MARK: self.balance.weak}
        return *self.training.peeked, *(mark for mark, made in marks.items() if made)

    def first_size(self, stored: int) -> int:
        """Returns the side of the first phase's input in pixels, where images are stored with a side of ``stored``."""
        return self.training.phases[0].size or self.input.size or stored

    def last_size(self, stored: int) -> int:
        """Returns the side of the input in pixels at prediction, where images are stored with a side of ``stored``."""
        return self.views.size or self.training.size or self.input.size or stored

    @property
    def teacher_oof(self) -> str | None:
        """OOF predictions of the teacher whose soft labels are learnt from; None without one."""
        return self.training.distill.oof if self.training.distill else None

    @property
    def oof_files(self) -> tuple[str, ...]:
        """OOF predictions that are learnt from, relative to the repository."""
        weak = self.balance.weak
        return tuple(oof for oof in (self.teacher_oof, weak.oof if weak else None) if oof)

    @property
    def teachers(self) -> tuple[str, ...]:
        """Models whose test predictions are learnt from."""
        return self.training.pseudo.teachers if self.training.pseudo else ()


def remove_flips(recipe: Recipe) -> Recipe:
    """Returns the recipe for a competition whose mirrored images are no members of their class."""
    unflipped = recipe.augmentation.model_copy(update={"flip": "none"})
    return recipe.model_copy(update={"augmentation": unflipped, "views": remove_mirror_views(recipe.views)})


def load_recipe(root: Path, model: str) -> Recipe:
    """Reads a model's file, without the settings of tuning.

    Raises:
        InputError: no such model (the near names are listed), the file does not fit the schema, or it names the model
            as its own teacher.
    """
    recipe = parse_network_recipe(read_model(root, model)[0], str(model_path(root, model)))
    check_teachers(recipe, model, model_path(root, model))
    return recipe


def parse_network_recipe(settings: Settings, place: str) -> Recipe:
    """Builds a recipe from a file's settings; ``place`` is what errors call their origin.

    Raises:
        InputError: they do not fit the schema.
    """
    return parse(settings, Recipe, place)


def check_teachers(recipe: Recipe, model: str, path: Path) -> None:
    """Raises `InputError` for a model that names itself as its own teacher."""
    if model in recipe.teachers:
        raise InputError(f"{path}: training.pseudo.teachers names {model} itself; name models trained before it")
