// The loop: lanes of a warp, warps of a block, blocks of a grid.
#include "vm.h"
#include <algorithm>
#include <numeric>

namespace ptx {
namespace {
constexpr uint64_t SLICE = 200'000;   // instructions before another warp gets its turn
const Register GARBAGE = [] {
    Register r;
    std::fill_n(r.lane, 32, 0xdeadbeefdeadbeefull);
    return r;
}();

std::string place(const Inst& i, const Kernel& k) {
    auto source = [&](const char* text, int file, int line) {
        if (!line) return std::string();
        const auto f = k.files->find(file);
        return text + (f == k.files->end() ? "source" : f->second) + ":" + std::to_string(line);
    };
    return " (PTX line " + std::to_string(i.line) + source(", ", i.srcFile, i.srcLine) + source(" inlined at ", i.inlinedFile, i.inlinedLine) + ")";
}
}  // namespace

Vm::Vm(Kernel& k, const Launch& launch)
    : k(k), launch(launch), warpCount(int(launch.block.x * launch.block.y * launch.block.z + 31) / 32),
      sharedBytes(launch.dynamicShared ? (k.sharedBytes + 127) / 128 * 128 + launch.dynamicShared : k.sharedBytes),
              shift(std::countr_zero(k.granule)),
      stride((warpCount + 3) / 4 * 4), shared(sharedBytes + 16), cells((sharedBytes >> shift) + 2), readers(cells.size() * stride),
      clocks(size_t(warpCount) * stride), seen(k.code.size()), fuel(card::settings.fuel), random(launch.seed) {}

void Vm::fault(int code, const std::string& what) { throw Fault{code, what}; }
std::string Vm::where(const Inst* i) const { return i ? place(*i, k) : ""; }

std::string Vm::deadlock() const {
    std::string s = "deadlock:";
    for (auto& w : warps)
        if (w.alive) s += " warp " + std::to_string(w.id) + " waits" + where(w.at) + ";";
    return s;
}

/** Runs a warp until it waits, ends or has had its slice. Lanes with the lowest pc go first, so that they meet again by themselves. */
void Vm::runWarp(Warp& w) {
    const uint64_t end = instructions + SLICE;
    w.at = nullptr;
    while (w.alive) {
        int pc = INT32_MAX, other = INT32_MAX;   // where these lanes are, and the next ones
        uint32_t lanes = 0;
        for (int l = 0; l < 32; l++)
            if (on(w.alive, l)) pc = std::min(pc, w.pc[l]);
        for (int l = 0; l < 32; l++) {
            if (!on(w.alive, l)) continue;
            if (w.pc[l] == pc) lanes |= 1u << l;
            else other = std::min(other, w.pc[l]);
        }
        auto store = [&](uint32_t who, int at) {
            for (int l = 0; l < 32; l++)
                if (on(who, l)) w.pc[l] = at;
        };
        for (;;) {
            const Inst& i = k.code[pc];
            current = &i;
            instructions++;
            uint32_t taken = lanes;
            if (i.pred >= 0) {
                const uint64_t* p = w.reg(i.pred);
                uint32_t trues = 0;
                for (int l = 0; l < 32; l++) trues |= uint32_t(p[l] & 1) << l;
                taken &= i.negPred ? ~trues : trues;
            }
            if (launch.count) {
                launch.count->warpInstructions++;
                launch.count->threadInstructions += std::popcount(taken);
                launch.count->flops += uint64_t(i.flops) * std::popcount(taken);
            }
            pc++;
            if (i.handler) {
                if (taken) i.handler(*this, w, i, taken);
                if (pc >= other) {
                    store(lanes, pc);
                    break;
                }
                continue;
            }
            if (i.op == BRA) {
                const bool back = i.target < pc;
                if (taken && taken != lanes) {
                    store(taken, i.target);
                    store(lanes & ~taken, pc);
                    break;
                }
                if (taken) pc = i.target;
                if (back && instructions > end) {
                    store(lanes, pc);
                    if (fuel < SLICE)
                        fault(card::LAUNCH_TIMEOUT, "more than " + std::to_string(card::settings.fuel) + " warp instructions: an endless loop?");
                    fuel -= SLICE;
                    return;
                }
                if (pc >= other || (taken && other != INT32_MAX)) {
                    store(lanes, pc);
                    break;
                }
                continue;
            }
            if (i.op == RET) {
                store(lanes, pc);
                w.alive &= ~taken;
                if (!w.alive)
                    for (auto& b : barriers) tryRelease(b);
                break;
            }
            if (taken) {   // a barrier
                if (taken != lanes || other != INT32_MAX) fault(card::LAUNCH_FAILED, "bar.sync in divergent code");
                store(lanes, pc);
                enterBarrier(w, i, lanes);
                if (w.waits) {
                    w.at = &i;
                    return;
                }
            }
        }
    }
}

/** What is the same in all blocks. Registers start with garbage, as on a card: what an earlier launch left, for PTX names thousands of them. */
void Vm::startLaunch() {
    static std::vector<Warp> spare;   // one launch runs at a time
    if (spare.size() < size_t(warpCount)) spare.resize(warpCount);
    warps = {spare.data(), size_t(warpCount)};
    const Dim d = launch.block, g = launch.grid;
    auto axis = [](const Dim& v, char a) { return a == 'x' ? v.x : a == 'y' ? v.y : v.z; };
    auto value = [&](const std::string& name, unsigned w, unsigned l) -> uint64_t {
        const unsigned t = w * 32 + l;
        if (name.rfind("%tid", 0) == 0) return axis({t % d.x, t / d.x % d.y, t / (d.x * d.y)}, name.back());
        if (name.rfind("%ntid", 0) == 0) return axis(d, name.back());
        if (name.rfind("%nctaid", 0) == 0) return axis(g, name.back());
        if (name == "%laneid") return l;
        if (name == "%warpid") return w;
        if (name == "%nwarpid") return warpCount;
        const uint32_t eq = 1u << l, lt = eq - 1;
        return name == "%lanemask_eq" ? eq : name == "%lanemask_lt" ? lt : name == "%lanemask_le" ? lt | eq : name == "%lanemask_gt"
                ? ~(lt | eq) : ~lt;
    };
    for (int id = 0; id < warpCount; id++) {
        Warp& w = warps[id];
        w.id = id;
        if (w.registers.size() < k.regs.size()) w.registers.resize(k.regs.size(), GARBAGE);
        w.local.resize(size_t(k.localBytes) * 32);
        for (auto& [r, v] : k.constants) std::fill_n(w.reg(r), 32, v);
        for (auto& [name, r] : k.special)
            for (int l = 0; l < 32; l++) w.reg(r)[l] = value(name, id, l);
        if (k.dynamicShared >= 0) std::fill_n(w.reg(k.dynamicShared), 32, (k.sharedBytes + 127) / 128 * 128);
    }
}

void Vm::startBlock(Dim at) {
    newEpoch();
    barriers.fill(Barrier{});
    const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    for (auto& w : warps) {
        const unsigned left = threads - w.id * 32;
        w.alive = left >= 32 ? ALL : (1u << left) - 1;
        w.waits = false;
        w.at = nullptr;
        w.pc.fill(0);
        w.group.fill(0);
        w.copies.clear();
        std::fill(w.local.begin(), w.local.end(), 0xff);
        for (auto& [name, r] : k.special)
            if (name.rfind("%ctaid", 0) == 0) std::fill_n(w.reg(r), 32, name.back() == 'x' ? at.x : name.back() == 'y' ? at.y : at.z);
    }
}

void Vm::runBlock(Dim at) {
    startBlock(at);
    const int first = random() % warpCount;
    for (;;) {
        bool alive = false, ran = false;
        for (int n = 0; n < warpCount; n++) {
            Warp& w = warps[(first + n) % warpCount];
            if (w.alive && !w.waits) {
                runWarp(w);
                ran = true;
            }
            alive |= w.alive != 0;
        }
        if (!alive) return;
        if (!ran) {
            current = nullptr;
            throw Fault{card::LAUNCH_TIMEOUT, deadlock()};
        }
    }
}

void run(Kernel& k, const Launch& launch) {
    const Dim g = launch.grid;
    Vm vm(k, launch);
    vm.startLaunch();
    // Blocks have no order on a card. Up to a million of them are shuffled; of more, every one steps on by a number prime to their count.
    const uint64_t blocks = uint64_t(g.x) * g.y * g.z;
    std::vector<uint32_t> order(blocks <= 1 << 20 ? blocks : 0);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), vm.random);
    uint64_t step = vm.random() % blocks | 1;
    while (std::gcd(step, blocks) != 1) step += 2;
    const uint64_t start = vm.random() % blocks;
    for (uint64_t n = 0; n < blocks; n++) {
        const uint64_t b = order.empty() ? (start + n % blocks * step) % blocks : order[n];
        vm.nextBlock();
        const Dim at{unsigned(b % g.x), unsigned(b / g.x % g.y), unsigned(b / g.x / g.y)};
        try {
            vm.runBlock(at);
        } catch (Fault& f) {
            throw Fault{f.code, k.name + " block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + "): "
                    + f.what + vm.where(vm.current) +
                                    ", seed " + std::to_string(card::settings.seed)};
        }
    }
}
}  // namespace ptx
