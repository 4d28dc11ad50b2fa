"""The models that Kvasir writes itself, read by a real llama-server."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions import demo_model as module
from sessions.demo_model import demo_model
from sessions.errors import ModelUnavailable
from sessions.llama import Launch, Running, ensure, stop
from sessions.vocabulary import SPECIAL, STAND_INS, text_of, train
from tests.models import embedding_model, rerank_model

ROOMS = Path(module.__file__).parent.parent
WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sessions.demo_model import demo_model
print(demo_model(Path(sys.argv[2])))
"""
# A failed assertion in llama.cpp ends the process that it happens in.
BERT = """
import json, sys, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.embedding = True
parameters.n_ctx = 512
if sys.argv[2] == "handle_rerank":
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
server = xllamacpp.Server(parameters)
print(json.dumps(getattr(server, sys.argv[2])(json.loads(sys.argv[3]))))
"""

Post = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def models() -> Path:
    return platformdirs.user_cache_path("kvasir") / "models"


@pytest.fixture
async def post(models: Path, tmp_path: Path) -> AsyncIterator[Post]:
    launch = Launch(demo_model(models), context_tokens=4096, slots=1)
    use = await ensure(launch, tmp_path / "run", lambda _: None)
    yield lambda path, body: asyncio.to_thread(_post, use.server, path, body)
    await stop(use.server)


def _post(server: Running, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_processes_that_race_write_one_model(tmp_path: Path) -> None:
    command = (sys.executable, "-c", WRITER, str(ROOMS), str(tmp_path))
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    written = {writer.communicate()[0].strip() for writer in writers}
    assert [str(path) for path in tmp_path.iterdir()] == list(written)


def test_the_same_text_makes_the_same_model_and_a_second_call_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "source_text", lambda: "a turn is one question and its answer")
    first, second = demo_model(tmp_path / "first"), demo_model(tmp_path)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    before = second.stat()
    assert demo_model(tmp_path) == second
    assert second.stat() == before


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="cannot be written to"):
        demo_model(tmp_path / "file")


def test_a_missing_package_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelUnavailable, match='with its extra "local"'):
        demo_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("temperature", [0, 0.8, 1.5])
async def test_answers_are_words(post: Post, temperature: float) -> None:
    question = {"messages": [{"role": "user", "content": "why is it slow?"}]}
    answer = await post("/v1/chat/completions", question | {"max_tokens": 200, "temperature": temperature})
    text = answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] == 200
    words = text.replace(".", " ").replace(",", " ").split()
    assert len(words) > 100
    assert all(word.isascii() and word.isalpha() and len(word) > 1 for word in words)


async def test_the_answer_depends_on_the_beginning_of_a_long_prompt(post: Post) -> None:
    async def greedy(prompt: str) -> str:
        body = {"prompt": prompt, "n_predict": 40, "temperature": 0, "cache_prompt": False}
        return (await post("/completion", body))["content"]

    text = module.source_text()
    one, other, rest = text[:1500], text[1500:3000], text[3000:7500]
    assert await greedy(one + rest) == await greedy(one + rest)
    assert await greedy(one + rest) != await greedy(other + rest)


async def test_a_grammar_reaches_bytes_and_the_end(post: Post) -> None:
    answer = await post(
        "/completion", {"prompt": "is it slow?", "n_predict": 20, "grammar": 'root ::= "{ }é"'}
    )
    assert (answer["content"], answer["stop_type"]) == ("{ }é", "eos")


async def test_its_template_is_chatml(post: Post) -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}]
    rendered = await post("/apply-template", {"messages": messages})
    assert rendered["prompt"] == (
        "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nwhy?<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_it_fills_in_the_middle(post: Post) -> None:
    body = {"input_prefix": "def fork(", "input_suffix": "return chat\n", "n_predict": 8}
    answer = await post("/infill", body)
    assert answer["tokens_predicted"] == 8
    assert "<|fim_prefix|>def fork(<|fim_suffix|>return chat\n<|fim_middle|>" in answer["prompt"]


async def test_every_text_survives_its_tokens(post: Post) -> None:
    text = "naïve → 数 🙂\n\n\tdef fork(self):  # aaaa\x0c\u2028<|im_end|>"
    told = await post("/tokenize", {"content": text, "parse_special": False})
    assert (await post("/detokenize", {"tokens": told["tokens"]}))["content"] == text
    special = await post("/tokenize", {"content": "".join(SPECIAL)})
    assert len(special["tokens"]) == len(SPECIAL)


@given(st.text(st.sampled_from("ab é\n<"), max_size=60))
def test_a_vocabulary_is_complete_and_its_merges_can_be_followed(text: str) -> None:
    vocabulary = train(text, merges=20)
    assert vocabulary == train(text, merges=20)
    assert vocabulary.tokens[:256] == tuple(STAND_INS.values())
    assert vocabulary.tokens[-len(SPECIAL) :] == SPECIAL
    assert len(set(vocabulary.tokens)) == len(vocabulary.tokens)
    known = set(STAND_INS.values())
    for left, right in vocabulary.merges:
        assert {left, right} <= known
        known.add(left + right)
    written = [text_of(token) for token in vocabulary.tokens[256 : -len(SPECIAL)]]
    assert all(token in text for token in written if token is not None)


def test_the_most_frequent_pair_is_merged_first_and_runs_from_the_left() -> None:
    assert train("aaa aaa ab", merges=2).merges == (("a", "a"), ("aa", "a"))


def _ask_bert(model: Path, method: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    command = [sys.executable, "-c", BERT, str(model), method, json.dumps(body)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    return json.loads(answer.stdout.splitlines()[-1])


def test_the_embedding_model_tells_texts_apart(models: Path) -> None:
    texts = ["fork the chat", "fork the chat", "why is it slow?"]
    answer = _ask_bert(embedding_model(models), "handle_embeddings", {"input": texts})
    first, same, other = (entry["embedding"] for entry in answer["data"])
    assert len(first) == 64
    assert first == pytest.approx(same)
    assert first != pytest.approx(other)


def test_the_rerank_model_scores_documents(models: Path) -> None:
    documents = ["fork the chat", "why is it slow?", "a slot"]
    answer = _ask_bert(rerank_model(models), "handle_rerank", {"query": "slots", "documents": documents})
    scores = {entry["index"]: entry["relevance_score"] for entry in answer["results"]}
    assert sorted(scores) == [0, 1, 2]
    assert len(set(scores.values())) == 3
