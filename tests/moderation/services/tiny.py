"""Tiny untrained models in Detoxify's own checkpoint format, one for each architecture that Detoxify's five models have."""

import json
from pathlib import Path
from typing import Any

from moderation.scoring.samples import PARITY_TEXTS

CLASSES = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]
IN_THE_OLD_DATA = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
"""What the classes of `original` are called in its checkpoint."""
KINDS = {"original": "Bert", "unbiased": "Roberta", "multilingual": "XLMRoberta", "original-small": "Albert"}


def write(folder: Path, name: str) -> Path:
    """Write checkpoint, config and tokenizer into a folder, as they lie there after being copied by hand; returns the file."""
    import torch
    import transformers

    kind = KINDS[name]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(kind)
    tokenizer.save(str(folder / "tokenizer.json"))
    start, end, pad, unknown = ("[CLS]", "[SEP]", "[PAD]", "[UNK]") if kind == "Bert" else ("<s>", "</s>", "<pad>", "<unk>")
    if kind == "Albert":
        start, end = "[CLS]", "[SEP]"
    described = {"cls_token": start, "sep_token": end, "pad_token": pad, "unk_token": unknown, "model_max_length": 64}
    described["tokenizer_class"] = f"{kind}Tokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    classes = IN_THE_OLD_DATA if name.startswith("original") else CLASSES
    extra = 0 if name.startswith("original") else 9  # the identity classes, which are outputs without one of our names
    sizes: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(), "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "max_position_embeddings": 66, "pad_token_id": tokenizer.token_to_id(pad),
        "num_labels": len(classes) + extra,
    }  # fmt: skip
    if kind == "Albert":
        sizes["embedding_size"] = 32
    config = getattr(transformers, f"{kind}Config")(**sizes)
    config.save_pretrained(folder)
    torch.manual_seed(7)
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        # A fresh model tells no two texts apart.
        for name_of, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0 if "attention" in name_of or "ffn" in name_of or "dense" in name_of else 3.0)
    arguments = {
        "model_type": {"Bert": "bert-base-uncased"}.get(kind, f"{kind.lower()}-base"),
        "model_name": f"{kind}ForSequenceClassification",
        "tokenizer_name": f"{kind}Tokenizer",
        "num_classes": len(classes) + extra,
    }
    checkpoint = folder / f"toxic_{name}-00000000.ckpt"
    content = {
        "arch": {"type": kind, "args": arguments},
        "dataset": {"args": {"classes": [*classes, *(f"identity_{place}" for place in range(extra))]}},
    }
    torch.save({"state_dict": model.state_dict(), "config": content}, checkpoint)
    return checkpoint


def _tokenizer(kind: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "Bert":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        pair = ("[CLS]", "[SEP]")
    elif kind == "Roberta":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        pair = ("<s>", "</s>")
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        pair = ("[CLS]", "[SEP]") if kind == "Albert" else ("<s>", "</s>")
        special = [*dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *pair])]
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>")
    made.train_from_iterator(PARITY_TEXTS, trainer)
    start, end = ((token, made.token_to_id(token)) for token in pair)
    made.post_processor = processors.TemplateProcessing(single=f"{pair[0]} $A {pair[1]}", special_tokens=[start, end])
    return made
