"""Attention and products of PyTorch on this card, beside which scripts/gpu-check puts ours: python3 scripts/gpu-peer.py OUT.json"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel


def seconds(run):
    run()
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    times = max(1, min(1000, int(0.2 / (time.perf_counter() - start))))
    start = time.perf_counter()
    for _ in range(times):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def attention(backend, s, h, g, d):
    def normal(heads):
        return torch.randn(1, heads, s, d, device="cuda", dtype=torch.bfloat16, requires_grad=True)

    q, k, v = normal(h), normal(g), normal(g)
    grad = torch.randn(1, h, s, d, device="cuda", dtype=torch.bfloat16)
    flops = 2 * s * (s + 1) * h * d
    with sdpa_kernel(backend):

        def forward():
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=h != g)

        with torch.no_grad():
            yield "forward", flops / seconds(forward)
        out = forward()
        yield "backward", 2.5 * flops / seconds(lambda: torch.autograd.grad(out, (q, k, v), grad, retain_graph=True))


def main():
    rows = []

    def add(name, shape, rate, unit="TFLOP/s"):
        rows.append({"name": name, "shape": shape, "rate": rate, "unit": unit})
        print(f"{name:32} {shape:32} {rate:10.1f} {unit}", flush=True)
        with open(sys.argv[1], "w") as file:
            json.dump({"torch": torch.__version__, "card": torch.cuda.get_device_name(), "rows": rows}, file, indent=1)

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    add("product", "8192 x 8192 x 8192", 2 * 8192**3 / seconds(lambda: a @ b.T) / 1e12)
    x = torch.randn(1 << 28, device="cuda")
    y = torch.empty_like(x)
    add("copy", "2^28 F32", 8 * x.numel() / seconds(lambda: y.copy_(x)) / 1e9, "GB/s")
    for s, h, g, d in ((16384, 64, 8, 128), (16384, 32, 8, 64)):
        for name, backend in (("flash", SDPBackend.FLASH_ATTENTION), ("cudnn", SDPBackend.CUDNN_ATTENTION)):
            try:
                for way, rate in attention(backend, s, h, g, d):
                    add(f"sdpa {name} {way}", f"{s} tokens, {h}/{g} heads of {d}", rate / 1e12)
            except RuntimeError as e:
                print(f"sdpa {name}: {e}", flush=True)


main()
