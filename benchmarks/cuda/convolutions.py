# The model of convolutions.ts in PyTorch: `python3 convolutions.py [BATCH]`. TF32, channels last.
import json, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

batch, images = int((sys.argv[1:] or [256])[0]), 8192
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def convolution(c, f):
    return [nn.Conv2d(c, f, 3, padding=1), nn.ReLU()]


model = nn.Sequential(
    *convolution(3, 64), *convolution(64, 64), nn.MaxPool2d(2),
    *convolution(64, 128), *convolution(128, 128), nn.MaxPool2d(2),
    *convolution(128, 256), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10),
).cuda().to(memory_format=torch.channels_last)
i = torch.arange(images)
at = torch.arange(1, images * 3072 + 1, dtype=torch.float32).view(images, 32, 32, 3)
column = torch.arange(32).float().view(1, 1, 32, 1) / 32
x = torch.sin(column * ((i % 10) + 1).view(-1, 1, 1, 1) * 3.14 + torch.arange(3).view(1, 1, 1, 3) + i.view(-1, 1, 1, 1))
x = (x + 0.3 * torch.sin(at * 12.9898)).permute(0, 3, 1, 2).cuda().contiguous(memory_format=torch.channels_last)
y = (i % 10).cuda()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
seconds, losses = [], []
for epoch in range(4):
    start, total = time.perf_counter(), 0.0
    for first in range(0, images, batch):
        loss = F.cross_entropy(model(x[first:first + batch]), y[first:first + batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * batch / images
    losses.append(round(total.item(), 4))
    seconds.append(time.perf_counter() - start)
print(json.dumps({"torch": "eager", "batch": batch, "imagesPerSecond": round(images / min(seconds[1:])), "losses": losses}))
