# Small random models by Hugging Face's transformers, and the logits that it gives: `make FOLDER` saves them with logits.json,
# `check FOLDER` loads each folder in it and compares with the logits.json beside. Run by test/huggingface.ts.
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

llama = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
words = dict(vocab_size=61, bos_token_id=None, eos_token_id=None)
scaled = dict(head_dim=12, rope_theta=500000.0, rope_scaling=llama3, tie_word_embeddings=True, rms_norm_eps=1e-5)

models = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_positions=24, n_embd=32, n_layer=2, n_head=4, **words)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(max_position_embeddings=24, **llama, **words)),
    "llama-scaled": lambda: LlamaForCausalLM(LlamaConfig(max_position_embeddings=64, **llama, **words, **scaled)),
}


def logits(model, tokens):
    with torch.no_grad():
        return model.eval()(torch.tensor(tokens)).logits


def make(folder):
    torch.manual_seed(1)
    tokens = torch.randint(0, 61, (2, 24)).tolist()
    found = {}
    for name, build in models.items():
        model = build()
        with torch.no_grad():
            for weight in model.parameters():  # louder than trained from, so that every weight shows; gains and biases too
                weight.add_(torch.randn_like(weight) * 0.2)
        model.save_pretrained(folder / name)
        (folder / name / "generation_config.json").unlink(missing_ok=True)
        found[name] = [round(x, 6) for x in logits(model, tokens).flatten().tolist()]
    (folder / "logits.json").write_text(json.dumps({"tokens": tokens, "logits": found}) + "\n")


def check(folder):
    expected = json.loads((folder / "logits.json").read_text())
    for name, values in expected["logits"].items():
        model = AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32)
        worst = (logits(model, expected["tokens"]).flatten() - torch.tensor(values)).abs().max().item()
        print(f"{'ok  ' if worst < 1e-4 else 'FAIL'} transformers loads {name}: logits differ by {worst:.1e}")
        if not worst < 1e-4:
            sys.exit(1)


{"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
