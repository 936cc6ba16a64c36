"""MVKE: experts and gates by virtual kernels."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import tensorflow as tf
from pydantic import Field, model_validator

from trainer.errors import InputError
from trainer.layers.tags.field_means import FieldMeans
from trainer.layers.tags.tag_towers import TagTowers
from trainer.layers.tags.virtual_kernel_experts import VirtualKernelExperts
from trainer.layers.tags.virtual_kernel_gates import VirtualKernelGates
from trainer.models.registry import register
from trainer.models.tag_profiles.base import ProfileModel, ProfileSettings, Widths


class MVKESettings(ProfileSettings):
    """Settings of ``mvke``."""

    name: Literal["mvke"] = "mvke"
    num_kernels: int = Field(5, ge=1, description="K: number of virtual kernels; a served user vector has K d numbers.")
    task_kernels: dict[str, list[int]] | None = Field(
        None,
        description="Kernels of each task, numbered from 0. By default each task has one of its own, half of the rest "
        "are shared by all, half go to the later tasks: [0, 1, 2] and [1, 2, 3, 4] for two tasks and K = 5.",
    )
    pool: bool = Field(False, description="Sum the fields by each kernel's attention, as in the paper's text.")
    attention_activation: Literal["linear", "sigmoid"] = Field(
        "linear",
        description="Activation of queries, keys and values: none, as in the authors' code, or the paper's sigma.",
    )
    scaled_gates: bool = Field(
        False, description="Divide the gates' logits by the square root of d, as in the paper's text."
    )
    tower: Literal["mlp", "fm_mlp"] = Field(
        "mlp", description="Tower of a kernel: an MLP, or a factorisation machine and an MLP."
    )
    tower_hidden: Widths = Field([64], description="Widths of the hidden layers of a kernel's tower.")
    tag_hidden: Widths = Field([64], description="Widths of the hidden layers of a task's tag tower.")

    @model_validator(mode="after")
    def _pooled_fields_cannot_be_crossed(self) -> "MVKESettings":
        if self.pool and self.tower == "fm_mlp":
            raise ValueError("tower: fm_mlp crosses fields, and pool: true leaves none to cross. Change one of them.")
        return self

    @model_validator(mode="after")
    def _kernels_of_tasks(self) -> "MVKESettings":
        tasks = self.task_kernels
        if tasks is None:
            return self
        for task, kernels in tasks.items():
            others = {kernel for other, theirs in tasks.items() if other != task for kernel in theirs}
            if not kernels:
                raise ValueError(f"task_kernels.{task} is empty: each task needs a kernel.")
            if unknown := sorted(set(kernels) - set(range(self.num_kernels))):
                raise ValueError(
                    f"task_kernels.{task} names kernel {unknown[0]}: with num_kernels {self.num_kernels} they are "
                    f"0 to {self.num_kernels - 1}."
                )
            if len(set(kernels)) < len(kernels):
                raise ValueError(f"task_kernels.{task} names a kernel twice: {kernels}.")
            if set(kernels) <= others:
                raise ValueError(
                    f"task_kernels.{task} has no kernel of its own: each of {kernels} is another task's too. Each task "
                    "keeps at least one."
                )
        if unused := sorted(set(range(self.num_kernels)).difference(*tasks.values())):
            raise ValueError(f"task_kernels leaves kernel {unused[0]} to no task. Assign it, or lower num_kernels.")
        return self

    def trained(self, labels: Sequence[str]) -> list[str]:
        """See the base class; the tasks and those of ``task_kernels`` are the same."""
        tasks = super().trained(labels)
        if self.task_kernels is None and self.num_kernels < len(tasks):
            raise InputError(
                f"model.num_kernels is {self.num_kernels}: each of the {len(tasks)} tasks ({', '.join(tasks)}) needs a "
                "kernel of its own. Raise it, or name fewer in model.train_tasks."
            )
        for task in self.task_kernels or {}:
            if task not in tasks:
                where = "a label of data.labels" if self.train_tasks is None else "among model.train_tasks"
                raise InputError(f"model.task_kernels: {task!r} is not {where}: {', '.join(tasks)}.")
        for task in tasks:
            if self.task_kernels is not None and task not in self.task_kernels:
                raise InputError(f"model.task_kernels: task {task!r} has no kernels. Add it, or see model.train_tasks.")
        return tasks

    def kernels_of(self, tasks: Sequence[str]) -> list[list[int]]:
        """The kernels of each task, as configured or by default.

        Args:
          tasks: what :meth:`trained` gave.
        """
        if self.task_kernels is not None:
            return [sorted(self.task_kernels[task]) for task in tasks]
        own = [1] * len(tasks)
        for turn in range((self.num_kernels - len(tasks)) // 2):
            own[-1 - turn % len(tasks)] += 1
        numbers = iter(range(self.num_kernels))
        first = list(islice(numbers, own[0]))
        shared = list(islice(numbers, self.num_kernels - sum(own)))
        return [first + shared, *(shared + list(islice(numbers, count)) for count in own[1:])]


@register("mvke")
class MVKE(ProfileModel):
    """Experts led by trained virtual kernels, mixed for each tag by the same kernels; tasks own some, share others.

    ``score = sum_k w_k(tag) <u_k, t>`` is one inner product, of ``concat_k u_k`` and ``concat_k w_k(tag) t``: so are
    the vectors of users (the same for all tasks) and of tags (zero outside the kernels of a task).

    The defaults are the equations of the authors' code; the paper's: the recipe in docs/models/mvke.md.

    Reference: Xu et al., "Mixture of Virtual-Kernel Experts for Multi-Objective User Profile Modeling", KDD 2022.
    Logits are inner products, as in the authors' code: a cosine would keep probabilities between 0.27 and 0.73.
    """

    settings_class = MVKESettings
    paper = "Xu et al., KDD 2022"
    settings: MVKESettings

    def __init__(self, settings: MVKESettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.means = FieldMeans(name="means")
        self.experts = VirtualKernelExperts(
            settings.num_kernels,
            settings.dimension,
            settings.tower_hidden,
            pool=settings.pool,
            tower=settings.tower,
            activation=settings.attention_activation,
            name="experts",
        )
        self.gates = VirtualKernelGates(
            settings.kernels_of(self.tasks), settings.num_kernels, settings.scaled_gates, name="gates"
        )
        self.tags = TagTowers(self.num_tags, settings.dimension, len(self.tasks), settings.tag_hidden, name="tags")

    def user_vectors(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """See the base class; D = K d, the same for all tasks."""
        vectors, present = self.means(self.embeddings(features))
        experts = tf.cast(self.experts(self.dropout(vectors, training=training), present), tf.float32)
        joined = tf.reshape(experts, [-1, 1, experts.shape[1] * experts.shape[2]])
        return tf.repeat(joined, len(self.tasks), axis=1)

    def tag_vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """See the base class; zero outside the task's kernels."""
        tags = tf.cast(self.tags(tf.reshape(numbers, [-1])), tf.float32)
        weights = self.gates(tags, self.experts.kernels)
        vectors = weights[..., tf.newaxis] * tags[..., tf.newaxis, :]
        width = self.settings.num_kernels * self.settings.dimension
        return tf.reshape(vectors, tf.concat([tf.shape(numbers), [len(self.tasks), width]], axis=0))
