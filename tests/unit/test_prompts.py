"""Prompt codes: the paper's sentences, stand-ins under their own names, CLIP's real path up to its download."""

import pytest
import torch

from dfpir import prompts
from dfpir.prompts import TextEncoderUnavailableError, encode_text, load_prompts


@pytest.mark.parametrize("encoder", ["minilm", "onehot"])
@pytest.mark.parametrize("prompt_set", ["detailed", "simple"])
def test_stand_ins(encoder, prompt_set):
    bank = load_prompts(prompt_set, encoder)
    assert bank.codes.shape == (7, 512)
    assert bank.codes.dtype == torch.float32
    torch.testing.assert_close(bank.codes.norm(dim=1), torch.full((7,), 10.0))
    assert bank.encoder == encoder
    distinct = len({tuple(row.tolist()) for row in bank.codes})
    assert distinct == len(set(bank.texts)) == (7 if prompt_set == "detailed" else 5)


def test_rows_follow_the_conditions_asked_for():
    whole, part = load_prompts("detailed", "minilm"), load_prompts("detailed", "minilm", ["haze", "noise-25"])
    assert torch.equal(part.codes[0], whole.codes[whole.row("haze")])
    assert part.row("noise-25") == 1
    assert part.checksum != whole.checksum
    assert whole.row("noise-35") == whole.row("noise-25")
    assert whole.row("noise-75") == whole.row("noise-50")
    with pytest.raises(ValueError, match=r"'hase'\. Did you mean 'haze'"):
        whole.row("hase")


def test_control_prompts():
    detailed = load_prompts("detailed", "minilm")
    permuted = load_prompts("permuted", "minilm")
    tasks = [name.partition("-")[0] for name in detailed.conditions]
    for row, code in enumerate(permuted.codes):
        whose = next(i for i, other in enumerate(detailed.codes) if torch.equal(code, other))
        assert tasks[whose] != tasks[row], "another task's sentence"
    assert len({tuple(code.tolist()) for code in permuted.codes}) == 7
    empty = load_prompts("empty", "minilm")
    assert (empty.codes == empty.codes[0]).all()
    assert torch.equal(load_prompts("onehot", "minilm").codes, load_prompts("detailed", "onehot").codes)
    assert torch.equal(load_prompts("shuffled", "minilm").codes, detailed.codes)
    assert load_prompts("permuted", "minilm", ["haze"]).codes.shape == (1, 512)


def test_shuffled_prompts_are_random_in_training_and_right_at_test_time():
    from ablations.harness.training.conditioning import Conditioning
    from datasets.tasks import condition_named
    from dfpir import variant_config

    asked = Conditioning(variant_config("dfpir_shuffled_prompts"), load_prompts("shuffled", "minilm"))
    rain, cpu = [condition_named("rain")] * 400, torch.device("cpu")
    told = asked(rain, cpu, training=True, seeds=range(400))
    assert set(told.tolist()) == set(range(7))
    assert told.bincount().max() < 100
    assert torch.equal(told, asked(rain, cpu, training=True, seeds=range(400)))
    assert set(asked(rain, cpu, training=False).tolist()) == {3}


def test_unknown_names():
    with pytest.raises(ValueError, match="Did you mean 'minilm'"):
        load_prompts("detailed", "minilmm")
    with pytest.raises(ValueError, match="Did you mean 'simple'"):
        load_prompts("simpel", "onehot")
    with pytest.raises(ValueError, match="No prompt for condition 'fog'"):
        load_prompts("simple", "onehot", ["fog"])


def test_clip_without_its_weights_is_an_error_that_names_the_way_out(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)
    prompts._clip_codes.cache_clear()
    with pytest.raises(TextEncoderUnavailableError, match="--text-encoder minilm"):
        load_prompts("detailed", "clip")


def test_a_local_file_of_clip_is_taken_and_nothing_is_unpickled(monkeypatch, tmp_path):
    asked = []

    def create_model(name, *, pretrained, **rest):
        asked.append((name, pretrained))
        raise OSError("as far as the test goes")

    monkeypatch.setattr("open_clip.create_model", create_model)
    for name in ("clip.safetensors", "clip.pt"):
        (tmp_path / name).write_bytes(b"")
        monkeypatch.setenv(prompts.CLIP_FILE_VARIABLE, str(tmp_path / name))
        prompts._clip_codes.cache_clear()
        with pytest.raises(TextEncoderUnavailableError) as found:
            load_prompts("detailed", "clip")
        assert ("none of safetensors" in found.value.reason) == (name == "clip.pt")
    assert asked == [(prompts.CLIP_MODEL[0], str(tmp_path / "clip.safetensors"))]


def test_clip_path_with_random_weights():
    # everything but the download: the architecture, the tokenizer and the unnormalised float32 text embedding
    import open_clip

    name, _ = prompts.CLIP_MODEL
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(name, pretrained=None, precision="fp32", load_weights=False)
    codes = encode_text(model, open_clip.get_tokenizer(name), ["Rain", "Haze", "Rain"])
    assert codes.shape == (3, 512)
    assert codes.dtype == torch.float32
    assert torch.equal(codes[0], codes[2])
    assert not torch.equal(codes[0], codes[1])
    assert not torch.allclose(codes.norm(dim=1), torch.ones(3))
