// Races between blocks in global memory. Blocks run one after another here, but side by side on a card: what one writes, no other block of the
// launch may read or write, except both by atomics. Every word of memory remembers which block wrote it last; of a word that several blocks
// share byte by byte the last is known. A read is not remembered: that it came before the write of another block is found in another order of
// blocks. Kernels with fences between blocks are trusted: they may hand results on.
#include "vm.h"
#include <algorithm>

namespace ptx {
namespace {
// A mark: the block's number, which bytes of the word, whether by an atomic.
constexpr int NUMBER = 5;
uint32_t tagOf(uint32_t block, uint32_t bytes, bool atomic) { return block << NUMBER | bytes << 1 | uint32_t(atomic); }
uint32_t next = 1;
}  // namespace

void Vm::nextBlock() {
    if (next >= 1u << (32 - NUMBER)) {   // numbers come again: forget all
        card::eachAllocation([](card::Allocation& a) { std::fill_n(a.writers, a.size / 4 + 2, 0); });
        next = 1;
        firstBlock = 0;
    }
    block = next++;
    if (!firstBlock) firstBlock = block;
}

void Vm::explainBlocks(card::Allocation& a, uint64_t word, Access kind) {
    fault(card::LAUNCH_FAILED, "race between blocks: " + card::describe(a.base + word * 4, std::min<uint64_t>(4, a.size - word * 4)) + (kind == Access::READ ? " read" : " written") +
                                   " by this block, written by another of the same launch, and blocks have no order");
}

void Vm::touchWords(card::Allocation& a, uint64_t address, unsigned n, Access kind) {
    if (k.fences) return;
    const uint64_t offset = address - a.base, from = offset / 4, to = (offset + n + 3) / 4;
    uint32_t* const writers = a.writers;
    const uint32_t before = firstBlock << NUMBER, mine = tagOf(block, 15, false);
    if (kind != Access::ATOMIC && offset % 4 == 0 && n % 4 == 0) {   // the usual case, for the vectorizer
        uint32_t suspect = 0;
        for (uint64_t q = from; q < to; q++) suspect |= (writers[q] >= before) & (writers[q] != mine);
        if (!suspect) {
            if (kind == Access::WRITE) std::fill(writers + from, writers + to, mine);
            return;
        }
    }
    for (uint64_t q = from; q < to; q++) {
        const uint64_t low = std::max(offset, q * 4), high = std::min(offset + n, q * 4 + 4);
        const uint32_t bytes = ((1u << (high - low)) - 1) << (low - q * 4), old = writers[q], other = old >> NUMBER;
        const bool bothAtomic = kind == Access::ATOMIC && old & 1;
        if (other >= firstBlock && other != block && old >> 1 & 15 & bytes && !bothAtomic) explainBlocks(a, q, kind);
        if (kind != Access::READ) writers[q] = tagOf(block, bytes | (other == block ? old >> 1 & 15 : 0), kind == Access::ATOMIC);
    }
}
}  // namespace ptx
