"""FEAWAD (Zhou et al., TNNLS 2021) as the paper uses it (appendix B, eq. 20 and 21)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from anoonly_core.baselines import BASELINES
from anoonly_core.models.model import ItemHead, Pretraining
from anoonly_core.models.passes import Buffer, ChainPass
from anoonly_core.models.samplers import balanced_batches, draw_rows

__all__ = ["FEAWAD"]


class _Encoded(NamedTuple):
    """Encoding of rows: their code h, and direction r/‖r‖ and length ‖r‖ of the residual r of the autoencoder.

    Attributes
    ----------
    code
        float32 [R, rows, 64].
    direction
        float32 [R, rows, columns].
    length
        float32 [R, rows, 1].
    """

    code: Tensor
    direction: Tensor
    length: Tensor


class _MeanSquareOnGpu(torch.autograd.Function):
    """Mean squared difference of a reconstruction and its rows x, [R, rows, columns] each to [R], in four kernels.

    Rows get no gradient. Only a GPU takes it, where moving the rows through memory takes the time.
    """

    @staticmethod
    def forward(ctx, reconstruction: Tensor, x: Tensor):  # type: ignore[no-untyped-def]
        difference = reconstruction - x
        ctx.save_for_backward(difference)
        return torch.linalg.vector_norm(difference, dim=(1, 2)).square() / difference[0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        (difference,) = ctx.saved_tensors
        return difference.mul_((upstream * (2 / difference[0].numel()))[:, None, None]), None


class _ResidualOnGpu(torch.autograd.Function):
    """Direction and length of the residual of a reconstruction of rows x, as in `_Encoded`, with an explicit gradient.

    With d = r/‖r‖, the gradient of r is (g_d − d (g_d · d))/‖r‖ + g_‖r‖ d. Rows get no gradient. Only a GPU takes it,
    where moving the rows through memory takes the time.
    """

    @staticmethod
    def forward(ctx, reconstruction: Tensor, x: Tensor, tiny: float):  # type: ignore[no-untyped-def]
        residual = x - reconstruction
        length = (torch.linalg.vector_norm(residual, dim=2, keepdim=True).square() + tiny).sqrt()
        direction = residual.div_(length)
        ctx.save_for_backward(direction, length)
        return direction, length

    @staticmethod
    @once_differentiable
    def backward(ctx, to_direction, to_length):  # type: ignore[no-untyped-def]
        direction, length = ctx.saved_tensors
        along = (to_direction * direction).sum(dim=2, keepdim=True)
        # Negative, since the residual is the rows less their reconstruction.
        return torch.addcmul(direction * (along / length - to_length), to_direction, -1 / length), None, None


class FEAWAD(ItemHead):
    """FEAWAD: the score F(x) comes from code and residual of an autoencoder; both parts train together.

    The presets `paper` and `published_code` train and score F. The paper prints |F| in both losses, and the preset
    `paper_printed` trains and scores |F|. A labeled anomaly may then end on either side of 0.

    Source: paper eq. 20 and 21; docs/methods.md § 2.
    """

    name: ClassVar[str] = "FEAWAD"
    first_weights: ClassVar[str] = "glorot_normal"  # the published code is written in Keras
    norm_eps: ClassVar[float] = 1e-3
    norm_momentum: ClassVar[float] = 0.01
    steps: ClassVar[int] = BASELINES["FEAWAD"].steps
    margin = 5.0
    pretraining_epochs = BASELINES["FEAWAD"].pretraining_epochs
    pretraining_rate = 1e-4
    tiny = 1e-12

    def pretraining(self) -> Pretraining:
        """Return the pretraining, in which the autoencoder alone learns to reconstruct pool rows; not started yet."""
        autoencoder = [*self.parts["encoder"].parameters(), *self.parts["decoder"].parameters()]
        return Pretraining(
            epochs=self.pretraining_epochs,
            optimizer=torch.optim.Adam(autoencoder, lr=self.pretraining_rate, fused=True),
            draw=self._draw_pool,
            loss=self._reconstruction_loss,
            bind=lambda x: _ReconstructionPass(self, Buffer(x, None)).differentiate,
        )

    def _draw_pool(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return self._as_published(
            draw_rows(torch.nonzero(~labeled)[:, 0], self.steps, batch_size, generator), generator
        )

    def _reconstruction_loss(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            mean: Tensor = _MeanSquareOnGpu.apply(self._reconstruction(x), x)  # type: ignore[no-untyped-call]
            return mean
        return self._squares(x).mean(dim=(1, 2))

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return the mean squared reconstruction error of each row, [R, rows]: an unsupervised anomaly score.

        `x` has scaled rows [R, rows, columns].
        """
        return self._squares(x).mean(dim=2)

    def _squares(self, x: Tensor) -> Tensor:
        return (self._reconstruction(x) - x).square()

    def _reconstruction(self, x: Tensor) -> Tensor:
        reconstruction: Tensor = self.parts["decoder"](self.parts["encoder"](x))
        return reconstruction

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)

    def draw_epoch(self, labeled: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return self._as_published(balanced_batches(labeled, batch_size, self.steps, generator), generator)

    def _as_published(self, batches: Tensor, generator: torch.Generator) -> Tensor:
        """Return the batches [steps, b] of an epoch as the preset draws them; only `published_code` changes them.

        The published code reseeds its generator for each batch, so all batches equal the first one, in each epoch.
        """
        if self.preset != "published_code":
            return batches
        generator.manual_seed(generator.initial_seed())
        return batches[:1].expand_as(batches)

    def item_losses(self, x: Tensor, labeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each pool row and the loss of each labeled anomaly of a batch.

        With F the score, r the reconstruction's residual and the margin a = 5, they are |F| + ‖r‖ of a
        pool row and max(0, a − F) + max(0, a − ‖r‖) of a labeled anomaly. The published code takes the
        norm of r/‖r‖ in place of r, which is always 1 and has no gradient.
        The hinge takes F, where the paper prints |F|, which pushes F out on either side. F stands for |F| under the
        preset `paper_printed`.

        Parameters
        ----------
        x
            Scaled rows, float [R, b, columns].
        labeled
            True for labeled anomalies, bool [R, b].

        Returns
        -------
        normal, anomaly
            Summands of L_N and L_A, [R, b].

        Source: paper eq. 20 and 21, with λ_R = 1.
        """
        encoded = self._encode(x)
        score = self._as_printed(self.parts["score"](self._features(encoded, labeled)).squeeze(2))
        length = encoded.length.squeeze(2)
        if self.preset == "published_code":
            length = torch.ones_like(length)
        zero = score.new_zeros(())
        normal = torch.where(labeled, zero, score.abs() + length)
        cost = functional.relu(self.margin - score) + functional.relu(self.margin - length)
        return normal, torch.where(labeled, cost, zero)

    def _encode(self, x: Tensor) -> _Encoded:
        code = self.parts["encoder"](x)
        if x.is_cuda:
            arguments = (self.parts["decoder"](code), x, self.tiny)
            return _Encoded(code, *_ResidualOnGpu.apply(*arguments))  # type: ignore[no-untyped-call]
        residual = x - self.parts["decoder"](code)
        length = (residual.square().sum(dim=2, keepdim=True) + self.tiny).sqrt()
        return _Encoded(code, residual / length, length)

    def _features(self, encoded: _Encoded, labeled: Tensor | None) -> Tensor:
        joined = torch.cat(encoded, dim=2)
        features: Tensor = self.parts["features"](joined, joined=encoded.length, labeled=labeled)
        return features

    def hidden(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        return self._features(self._encode(x), labeled)

    def score(self, x: Tensor, labeled: Tensor | None = None) -> Tensor:
        return self._as_printed(self.parts["score"](self.hidden(x, labeled)).squeeze(2))

    def _as_printed(self, score: Tensor) -> Tensor:
        """Return |F| under the preset `paper_printed`, else F, for scores F of any shape."""
        return score.abs() if self.preset == "paper_printed" else score


class _ReconstructionPass:
    """Pass from rows to the gradients of their mean squared reconstruction error, without autograd."""

    def __init__(self, head: FEAWAD, x: Buffer) -> None:
        self._autoencoder = ChainPass((head.chain("encoder"), head.chain("decoder")), x)
        self._x = x.value
        _, rows, columns = x.value.shape
        self._share = x.value.new_ones(()) / (rows * columns)  # of one cell in the mean

    def differentiate(self) -> None:
        """Overwrite the gradients of the autoencoder by those of the rows that the memory holds."""
        self._autoencoder.forward()
        reconstruction = self._autoencoder.output
        torch.sub(reconstruction.value, self._x, out=reconstruction.upstream).mul_(2).mul_(self._share)
        self._autoencoder.backward()
