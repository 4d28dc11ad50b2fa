"""What is masked, and what is left alone. Every key here is made up, from a generator with a fixed seed."""

import os
import random
import string
import sysconfig
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.secrets import MASK, Finding, is_secret, masked, notice

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
CHANCE = random.Random(7)
KEYS = (
    ("AKIA", 16, string.ascii_uppercase + string.digits, "an AWS access key"),
    ("ghp_", 36, ALNUM, "a GitHub token"),
    ("github_pat_", 82, ALNUM + "_", "a GitHub token"),
    ("glpat-", 20, ALNUM, "a GitLab token"),
    ("xoxb-", 40, ALNUM, "a Slack token"),
    ("hooks.slack.com/services/T0ABCDEF1/B0ABCDEF2/", 24, ALNUM, "a Slack address"),
    ("sk-", 48, ALNUM, "an API key"),
    ("sk-ant-api03-", 90, ALNUM + "-_", "an API key"),
    ("sk_live_", 24, ALNUM, "a Stripe key"),
    ("AIza", 35, ALNUM, "a Google API key"),
    ("GOCSPX-", 28, ALNUM, "a Google secret"),
    ("ya29.", 60, ALNUM, "a Google token"),
    ("npm_", 36, ALNUM, "an npm token"),
    ("pypi-AgEIcHlwaS5vcmc", 80, ALNUM, "a PyPI token"),
    ("hf_", 34, ALNUM, "a Hugging Face token"),
    ("dop_v1_", 64, HEX, "a DigitalOcean token"),
    ("hvs.", 24, ALNUM, "a Vault token"),
    ("AGE-SECRET-KEY-1", 58, string.ascii_uppercase + string.digits, "an age key"),
    ("123456789:AA", 33, ALNUM, "a Telegram token"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.", 43, ALNUM, "a JSON web token"),
)


def made(size: int, alphabet: str = ALNUM) -> str:
    return "".join(CHANCE.choice(alphabet) for _ in range(size))


def key_block(lines: int) -> str:
    body = "".join(f"{made(64)}\n" for _ in range(lines))
    # Put together here, so that this file itself holds no key.
    return f"-----BEGIN {'RSA PRIVATE'} KEY-----\n{body}-----END {'RSA PRIVATE'} KEY-----\n"


@pytest.mark.parametrize(("prefix", "size", "alphabet", "what"), KEYS)
@pytest.mark.parametrize("shape", ["{}", 'x = "{}"', "+  - curl -H 'X: {}' \\", "({})", "url=https://{}?q=1"])
def test_keys_with_a_shape_of_their_own(prefix: str, size: int, alphabet: str, what: str, shape: str) -> None:
    key = prefix + made(size, alphabet)
    found = masked("first\n" + shape.format(key) + "\nlast\n")
    assert found.text == "first\n" + shape.format(MASK) + "\nlast\n"
    assert found.found == (Finding(1, what),)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('aws_secret_access_key = "{40}"', "secret"),
        ("Authorization: Bearer {40}", "authorization"),
        ('"Authorization": "Bearer {40}",', "authorization"),
        ("client_secret: '{hex}'", "secret"),
        ('const token: string = "{24}";', "token"),
        ("export API_TOKEN={32}", "token"),
        ('os.environ["API_TOKEN"] = "{32}"', "token"),
        ("//registry.example.org/:_authToken={36}", "token"),
        ('SECRET_KEY = b"django-insecure-{50}"', "secret"),
        ('"api-key" => `{hex}`', "api-key"),
        ("-    access_key: {40}  # rotated", "access_key"),
    ],
)
def test_values_that_look_random_behind_names_that_say_so(line: str, what: str) -> None:
    line = line.replace("{hex}", made(32, HEX))
    for size in ("24", "32", "36", "40", "50"):
        line = line.replace(f"{{{size}}}", made(int(size)))
    found = masked(line)
    assert found.found == (Finding(0, f'a value named "{what}"'),)
    assert MASK in found.text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('password: "S3cr3t!pass"', 'password: "<masked>"'),
        ("DB_PASSWORD=Tr0ub4dor&3", "DB_PASSWORD=<masked>"),
        ("postgres://app:h8Kx92lqP0@db.example.org/x", "postgres://app:<masked>@db.example.org/x"),
    ],
)
def test_passwords_that_people_choose(line: str, shown: str) -> None:
    assert masked(line).text == shown


@pytest.mark.parametrize(
    "line",
    [
        "token = parser.next_token_2",
        "self, private_key: ed25519.Ed25519PrivateKey, f_priv: Any",
        "password = getpass.getpass()",
        'password = os.environ["DB_PASSWORD_2024"]',
        "secret: ${{ secrets.GITHUB_TOKEN_2024_AB12 }}",
        'password = "correct horse"',
        "password: password123",
        "http://user:password@host/, http://user:pass;option@host/",
        'tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased-12-34")',
        "sk-fading-circle-loading-spinner-one",
        "max_tokens=4096204840962048",
        'sha256 = "' + "0123456789abcdef" * 4 + '"',
        "AKIAIOSFODNN7EXAMPLE",
        "if '-----BEGIN PRIVATE KEY-----' in text:",
        '"-----BEGIN RSA PRIVATE KEY-----\\n"\n"' + "X" * 63 + '\\n"\n"-----END RSA PRIVATE KEY-----\\n"',
        'password: str = "",  # 1Password or Bitwarden',
    ],
)
def test_code_about_secrets_is_left_alone(line: str) -> None:
    assert masked(line).text == line


def test_a_private_key_is_masked_line_by_line() -> None:
    text = f"a\n{key_block(3)}b\n"
    found = masked(text)
    header, footer = text.split("\n")[1], text.split("\n")[5]
    assert found.text == f"a\n{header}\n{MASK}\n{MASK}\n{MASK}\n{footer}\nb\n"
    assert found.found == (Finding(2, "a private key"),)


def test_a_private_key_without_an_end_and_one_within_a_line() -> None:
    cut = key_block(3).rsplit("\n", 2)[0]
    assert masked(cut).text.count(MASK) == 3
    assert masked(cut + "\n").found == (Finding(1, "a private key"),)
    line = key_block(2).replace("\n", "\\n")
    assert masked(line).text.count(MASK) == 2
    two = key_block(1) + "between = 1\n" + key_block(1)
    assert masked(two).found == (Finding(1, "a private key"), Finding(5, "a private key"))
    assert "between = 1\n" in masked(two).text


PIECES = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=20),
    st.sampled_from([prefix + made(size, alphabet) for prefix, size, alphabet, _ in KEYS]),
    st.sampled_from([key_block(2), "password = '", "token: ", "İ", "\r\n", "\n", '"', "://a:", "@"]),
    st.text(alphabet=ALNUM, min_size=20, max_size=40),
)


@given(st.lists(PIECES, max_size=8))
def test_masking_keeps_the_lines_and_what_was_masked_stays_so(pieces: list[str]) -> None:
    text = "".join(pieces)
    once = masked(text)
    assert once.text.count("\n") == text.count("\n")
    assert len(once.text.splitlines()) == len(text.splitlines())
    again = masked(once.text)
    assert again.text == once.text
    assert again.found == ()
    lines = once.text.split("\n")
    assert all(MASK in lines[finding.line] for finding in once.found)
    assert (once.text == text) == (once.found == ())


def test_the_standard_library_holds_no_secrets() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(folder.glob("*.py")) + sorted(folder.glob("[a-j]*/*.py"))
    assert len(paths) > 300
    found = [(path.name, masked(path.read_text("utf-8", errors="replace")).found) for path in paths]
    assert [each for each in found if each[1]] == []


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "prod.env",
        "server.pem",
        "id_rsa",
        "ID_RSA.pub",
        "id_ecdsa",
        "credentials",
        "x.TFSTATE",
        "credentials.json",
        "Secrets.yaml",
        ".git-credentials",
        os.fsdecode(b"\xff.key"),
        "a\n.pem",
        "x.tfstate.backup",
    ],
)
def test_names_that_promise_secrets(name: str) -> None:
    assert is_secret(PurePath("/project") / name)


@pytest.mark.parametrize(
    "name",
    [
        "a.py",
        "environment.py",
        "key.py",
        "secretary.txt",
        "README.md",
        "id.rs",
        "secrets.py",
        "credentials.rs",
        ".env.example",
        "config.env.template",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(PurePath("/project") / name)


def test_the_person_is_told_what_was_masked_and_how_to_send_it() -> None:
    found = (Finding(2, "a private key"), Finding(8, "an API key"), Finding(9, "an API key"))
    assert notice("src/a.py", found) == (
        'src/a.py: a private key (line 3) and 2 more masked. A line "!src/a.py" in .kvasirignore sends the file as it is.'
    )
    assert notice("a.py", found[1:2]).startswith("a.py: an API key (line 9) masked. ")


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "PASSWD",
        "token",
        "token=",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n",
        "://a:",
        "sk-",
        "A",
        "a.",
        "password: x ",
        '"',
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    assert masked(piece * (200_000 // len(piece))).found == ()
