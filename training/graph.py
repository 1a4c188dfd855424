"""Writes a fine-tuned BERT classifier as an 8-bit ONNX graph for one processor core, operator by operator.

Written out by hand because each choice is worth time and the exporters make others (measured: `training.bench_models`):

- Queries, keys and values are one 8-bit product, and the attention over them ONNX Runtime's MultiHeadAttention in floats. Its
  8-bit Attention multiplies head by head, in pieces too narrow for the processor.
- Additions and LayerNormalization stay apart: the fused operator is a scalar loop on CPUs.
- The classifier reads the first token alone, so the last layer computes nothing else: its keys and values need every token,
  its query, its output and its feed-forward part only one. Nothing is lost by that.
- A text that is clear after `EXIT_LAYER` layers goes no further: where each output of the exit's head lies below the limit that
  the caller gives for it, those are the logits. With limits of minus infinity every text goes all the way.

Weights are 8-bit integers, symmetric, with one scale a column (words: one a row). Products use seven of the eight bits: the full
range overflows on processors without VNNI, and the loss is not measurable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
State = Mapping[str, NDArray[np.float32]]
"""Weights under the names of `BertForSequenceClassification`; an exit's under `exit.`."""
EXIT_LAYER = 3
HEADS = 12
OPSET = 20
_MICROSOFT = "com.microsoft"
_PRODUCT_LIMIT, _WORD_LIMIT = 64, 127


@dataclass(frozen=True, slots=True)
class Choices:
    """How the graph is built; what does not ship is there to be measured."""

    first_token_last: bool = True
    attention_in_one: bool = False
    norms_in_one: bool = False
    floats: bool = False


@dataclass(slots=True)
class _Graph:
    state: State
    choices: Choices
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    stored: dict[str, onnx.TensorProto] = field(default_factory=dict)
    made: int = 0

    def constant(self, name: str, values: Array) -> str:
        self.stored[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.state[name])

    def add(self, kind: str, inputs: Sequence[str], *, name: str = "", outputs: int = 1, domain: str = "", **more: Any) -> str:
        """Append a node; several outputs are called `NAME:0`, `NAME:1` and so on."""
        self.made += 1
        name = name or f"{kind}.{self.made}"
        made = [name] if outputs == 1 else [f"{name}:{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name, domain=domain, **more))
        return name

    def product(self, values: str, layer: str, parts: Sequence[str] = ("",), *, biased: bool = True) -> str:
        """Multiply by the weights of one or several linear layers side by side."""
        names = [layer + part for part in parts]
        name = layer + "+".join(parts)
        if self.choices.floats:
            together = np.concatenate([self.state[f"{one}.weight"].T for one in names], 1)
            values = self.add("MatMul", [values, self.constant(f"{name}.weight", together)], name="" if biased else name)
            bias = np.concatenate([self.state[f"{one}.bias"] for one in names])
            return self.add("Add", [values, self.constant(f"{name}.bias", bias)], name=name) if biased else values
        quantised, scale = quantise(np.concatenate([self.state[f"{one}.weight"].T for one in names], 1), _PRODUCT_LIMIT)
        inputs = [values, self.constant(f"{name}.weight_quantized", quantised), self.constant(f"{name}.weight_scale", scale)]
        if biased:
            bias = np.concatenate([self.state[f"{one}.bias"] for one in names])
            inputs += ["", self.constant(f"{name}.bias", bias)]
        return self.add("DynamicQuantizeMatMul", inputs, name=name, domain=_MICROSOFT)

    def norm(self, values: str, skip: str, layer: str) -> str:
        scale, shift = self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")
        if self.choices.norms_in_one:
            more: dict[str, Any] = {"domain": _MICROSOFT, "epsilon": 1e-12}
            return self.add("SkipLayerNormalization", [values, skip, scale, shift], name=layer, **more)
        total = self.add("Add", [values, skip])
        return self.add("LayerNormalization", [total, scale, shift], name=layer, axis=-1, epsilon=1e-12)

    def embeddings(self) -> str:
        """Sum of word and place, normalised; the only kind of segment there is goes into the places."""
        prefix = "bert.embeddings."
        quantised, scale = quantise(self.state[f"{prefix}word_embeddings.weight"].T, _WORD_LIMIT)
        words = self.add("Gather", [self.constant(f"{prefix}word_embeddings.weight_quantized", quantised.T), "input_ids"])
        sizes = self.add("Gather", [self.constant(f"{prefix}word_embeddings.weight_scale", scale[:, None]), "input_ids"])
        real = self.add("Mul", [self.add("Cast", [words], to=TensorProto.FLOAT), sizes])
        segment = self.state[f"{prefix}token_type_embeddings.weight"][0]
        places = self.constant(f"{prefix}places", self.state[f"{prefix}position_embeddings.weight"] + segment)
        length = self.add("Shape", ["input_ids"], start=1, end=2)
        return self.norm(real, self.add("Slice", [places, "zero", length, "zero"]), f"{prefix}LayerNorm")

    def attention(self, values: str, prefix: str, *, first_only: bool) -> tuple[str, str]:
        """Return attention's output and what it is added to: all tokens, or the first one."""
        if self.choices.attention_in_one:
            return self._attention_in_one(values, prefix), values
        if first_only:
            keys = self.product(values, prefix, ("key", "value"))
            split = self.add("Split", [keys], outputs=2, axis=-1, num_outputs=2)
            first = self.add("Slice", [values, "zero", "one", "one"])
            inputs = [self.product(first, prefix, ("query",)), f"{split}:0", f"{split}:1"]
        else:
            together = self.product(values, prefix, ("query", "key", "value"))
            split = self.add("Split", [together], outputs=3, axis=-1, num_outputs=3)
            first, inputs = values, [f"{split}:{place}" for place in range(3)]
        return self.add("MultiHeadAttention", inputs, domain=_MICROSOFT, num_heads=HEADS), first

    def _attention_in_one(self, values: str, prefix: str) -> str:
        parts = ("query", "key", "value")
        quantised, scale = quantise(np.concatenate([self.state[f"{prefix}{one}.weight"].T for one in parts], 1), _PRODUCT_LIMIT)
        bias = np.concatenate([self.state[f"{prefix}{one}.bias"] for one in parts])
        seen = self.add("DynamicQuantizeLinear", [values], outputs=3)
        inputs = [
            f"{seen}:0", self.constant(f"{prefix}all_quantized", quantised), self.constant(f"{prefix}all_bias", bias),
            f"{seen}:1", self.constant(f"{prefix}all_scale", scale), "", f"{seen}:2",
            self.constant(f"{prefix}all_zero", np.zeros(scale.shape, np.int8)),
        ]  # fmt: skip
        return self.add("QAttention", inputs, domain=_MICROSOFT, num_heads=HEADS)

    def layer(self, values: str, number: int, *, first_only: bool) -> str:
        prefix = f"bert.encoder.layer.{number}."
        attended, kept = self.attention(values, f"{prefix}attention.self.", first_only=first_only)
        output = self.product(attended, f"{prefix}attention.output.dense")
        middle = self.norm(output, kept, f"{prefix}attention.output.LayerNorm")
        wide = self.product(middle, f"{prefix}intermediate.dense", biased=False)
        wide = self.add("BiasGelu", [wide, self.weight(f"{prefix}intermediate.dense.bias")], domain=_MICROSOFT)
        return self.norm(self.product(wide, f"{prefix}output.dense"), middle, f"{prefix}output.LayerNorm")

    def head(self, values: str, pooler: str, classifier: str, name: str) -> str:
        """Pool the first token and classify."""
        first = self.add("Squeeze", [self.add("Slice", [values, "zero", "one", "one"]), "one"])
        for layer, last in ((pooler, False), (classifier, True)):
            inputs = [first, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")]
            first = self.add("Gemm", inputs, transB=1, name=name if last else "")
            first = first if last else self.add("Tanh", [first])
        return first


def quantise(weights: NDArray[np.float32], limit: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers of at most `limit` either way, and the scale of each column."""
    scale = np.abs(weights).max(0) / limit
    scale[scale == 0] = 1.0
    return np.round(weights / scale).astype(np.int8), scale.astype(np.float32)


def build(state: State, choices: Choices | None = None) -> onnx.ModelProto:
    """Make the graph: `input_ids` (texts, tokens), unpadded, and with an exit `limits` (outputs,), to `logits` (texts, outputs).

    With an exit a run may hold one text only, since all of a run takes one way.
    """
    choices = choices or Choices()
    graph = _Graph(state, choices)
    graph.constant("zero", np.array([0], np.int64))
    graph.constant("one", np.array([1], np.int64))
    layers = 1 + max(int(name.split(".")[3]) for name in state if name.startswith("bert.encoder.layer."))
    leaves = "exit.classifier.weight" in state
    values = graph.embeddings()
    for number in range(EXIT_LAYER if leaves else 0):
        values = graph.layer(values, number, first_only=False)
    early: list[onnx.NodeProto] = []
    if leaves:
        graph.head(values, "exit.pooler", "exit.classifier", "early")
        early, graph.nodes = graph.nodes, []
    for number in range(EXIT_LAYER if leaves else 0, layers):
        values = graph.layer(values, number, first_only=choices.first_token_last and number == layers - 1)
    graph.head(values, "bert.pooler.dense", "classifier", "late" if leaves else "logits")
    outputs = len(state["classifier.bias"])
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])]
    if leaves:
        inputs.append(helper.make_tensor_value_info("limits", TensorProto.FLOAT, [outputs]))
        late, graph.nodes = graph.nodes, early
        over = graph.add("ReduceMax", [graph.add("Sub", ["early", "limits"])], keepdims=0)
        zero = graph.constant("zero_logit", np.array(0, np.float32))
        clear = graph.add("Less", [over, zero])
        branches = [
            helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["texts", outputs])])
            for nodes, name, value in (
                ([helper.make_node("Identity", ["early"], ["settled"])], "settled_early", "settled"),
                (late, "all_layers", "late"),
            )
        ]
        graph.nodes.append(helper.make_node("If", [clear], ["logits"], then_branch=branches[0], else_branch=branches[1]))
    made = helper.make_graph(
        graph.nodes, "toxicity", inputs,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", outputs])], list(graph.stored.values()),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)
