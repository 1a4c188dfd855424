"""The baseline: what a developer writes in an afternoon with the same parts (Flask, Celery, Redis, Detoxify on torch).

The comment travels in the message, the model judges one at a time, and an UPDATE ends it: no lease, no webhook, no policy. The
model has the shape of Detoxify's ``original`` (BERT-base, six labels) with random weights, which cost what trained ones cost.
SQLite is opened as Tidegate opens it, so that both stand on the same ground.
"""

import os
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask, request
from sqlalchemy import Column, Float, MetaData, String, Table, Text, insert, update

from moderation import scoring
from moderation.database import Database

database = Database(os.environ["AFTERNOON_DATABASE"])
tables = MetaData()
comment = Table(
    "comment",
    tables,
    Column("id", String, primary_key=True),
    Column("external_id", String),
    Column("body", Text),
    Column("status", String),
    Column("score", Float),
    Column("decided_at", Float),
)
app = Flask("afternoon")
celery = Celery("afternoon", broker=os.environ["AFTERNOON_REDIS"])
celery.conf.task_ignore_result = True
celery.conf.broker_connection_retry_on_startup = True


@app.post("/comments")
def submit() -> tuple[dict[str, str], int]:
    """Store a comment and send it to the worker."""
    asked = request.get_json()
    made = uuid.uuid4().hex
    row = {"id": made, "external_id": asked["external_id"], "body": asked["body"], "status": "pending"}
    with database.transaction() as session:
        session.execute(insert(comment).values(row))
    judge.delay(made, asked["body"])
    return {"id": made}, 202


@celery.task(name="judge")
def judge(number: str, body: str) -> None:
    """Score a comment and update it."""
    score = max(model()(body))
    with database.transaction() as session:
        values = {"status": "rejected" if score > 0.9 else "approved", "score": score, "decided_at": time.time()}
        session.execute(update(comment).where(comment.c.id == number).values(values))


@cache
def model() -> Any:
    """Return what ``Detoxify("original").predict`` does with one text."""
    import torch  # noqa: PLC0415 -- the web server has no use for it
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast  # noqa: PLC0415

    torch.set_num_threads(int(os.environ["AFTERNOON_THREADS"]))
    file = Path(str(scoring.__file__)).parent / "bundled" / "tokenizer.json"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token="[PAD]", model_max_length=512)
    shape = BertConfig(num_labels=6)
    bert = BertForSequenceClassification(shape).eval()

    @torch.no_grad()
    def predict(text: str) -> list[float]:
        tokens = tokenizer(text, return_tensors="pt", truncation=True, padding=True, max_length=512)
        # The table of our vocabulary may be smaller than BERT's, never larger.
        out = bert(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])[0]
        return [float(score) for score in torch.sigmoid(out)[0]]

    return predict
