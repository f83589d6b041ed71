# The model of gpt.ts in PyTorch: `python3 gpt.py PRECISION BATCH MODE [LAYERS WIDTH HEADS CONTEXT]`, MODE eager or compiled.
# From the weights of weights.ts. Prints the median step, tokens/s, losses and peak memory as JSON. Autocast for bf16; TF32 products for tf32.
import json, math, statistics, sys, time
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F

precision, B, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
L, C, H, T = [int(x) for x in sys.argv[4:8]] or (12, 768, 12, 1024)
V = 50304


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.out = nn.Linear(C, 3 * C, bias=False), nn.Linear(C, C)
        self.up, self.down = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

    def forward(self, x):
        q, k, v = [t.view(B, T, H, C // H).transpose(1, 2) for t in self.qkv(self.n1(x)).split(C, 2)]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(V, C), nn.Embedding(T, C)
        self.blocks = nn.ModuleList([Block() for _ in range(L)])
        self.norm, self.head = nn.LayerNorm(C), nn.Linear(C, V, bias=False)

    def forward(self, index, target):
        x = self.tokens(index) + self.positions(torch.arange(T, device=index.device))
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).view(-1, V), target.view(-1))


torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
torch.backends.cudnn.allow_tf32 = precision == "tf32"
model = GPT().cuda()


def pool(size=1 << 20):
    def uniform(x):
        x = x.astype(np.uint32)
        h = (x ^ np.uint32(61) ^ (x >> np.uint32(16))) * np.uint32(9)
        h ^= h >> np.uint32(4)
        h = h * np.uint32(0x27D4EB2D)
        return ((h ^ (h >> np.uint32(15))).astype(np.float64) + 0.5) / 2**32
    i = np.arange(size)
    return (np.sqrt(-2 * np.log(uniform(2 * i))) * np.cos(2 * np.pi * uniform(2 * i + 1))).astype(np.float32)


numbers, count = pool(), 0


def draw(std, *shape):
    """The n-th random parameter of weights.ts, in the shape that it has there."""
    global count
    size, start = math.prod(shape), count * 7919 % len(numbers)
    count += 1
    return torch.from_numpy(np.resize(np.roll(numbers, -start), size) * np.float32(std)).view(*shape)


with torch.no_grad():
    low = 0.02 / math.sqrt(2 * L)
    model.tokens.weight.copy_(draw(0.02, V, C))
    model.positions.weight.copy_(draw(0.02, T, C))
    for block in model.blocks:
        block.qkv.weight.copy_(torch.cat([draw(0.02, C, C) for _ in range(3)], 1).T)
        block.out.weight.copy_(draw(low, C, C).T)
        block.up.weight.copy_(draw(0.02, C, 4 * C).T)
        block.down.weight.copy_(draw(low, 4 * C, C).T)
        for bias in (block.out.bias, block.up.bias, block.down.bias):
            bias.zero_()
    model.head.weight.copy_(draw(0.02, C, V).T)
rows = [[((i * 7919 + t * 104729) % 50257) ** 2 % 50257 for t in range(T + 1)] for i in range(B)]
data = torch.tensor(rows, device="cuda")
index, target = data[:, :-1].contiguous(), data[:, 1:].contiguous()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
forward = torch.compile(model) if mode == "compiled" else model


def step():
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        loss = forward(index, target)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


losses, times = [], []
for i in range(24):
    start = time.perf_counter()
    losses.append(step())
    times.append((time.perf_counter() - start) * 1000)
    if i == 3:
        torch.cuda.reset_peak_memory_stats()
ms = statistics.median(times[4:])
print(json.dumps({"torch": mode, "precision": precision, "batch": B, "ms": round(ms, 2), "fastest": round(min(times[4:]), 2),
                  "tokensPerSecond": round(B * T * 1000 / ms), "peakGiB": round(torch.cuda.max_memory_allocated() / 2**30, 2),
                  "losses": [round(x, 4) for x in losses[:12]]}), flush=True)
