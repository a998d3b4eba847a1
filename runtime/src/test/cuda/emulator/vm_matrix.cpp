// mma.m16n8k16 and ldmatrix. Fragments as in the PTX manual: the 32-bit registers of the lanes, read in the order of the lanes, are an 8x8
// tile of bf16 row by row; two f32 registers are the even and odd columns of a tile of D.
#include "vm.h"
#include <algorithm>
#include <cstring>

namespace ptx {
namespace {
typedef float Row __attribute__((vector_size(32)));   // 8 columns

/** A tile as 8 rows of 8 floats. */
void widen(const uint64_t* lanes, float* tile, int rowStride) {
    uint64_t pairs[32];   // a float is a bf16 with 16 zeros behind it
    for (int l = 0; l < 32; l++) pairs[l] = (lanes[l] & 0xffff) << 16 | (lanes[l] & 0xffff0000) << 32;
    for (int r = 0; r < 8; r++) memcpy(tile + r * rowStride, pairs + r * 4, 32);
}

/** D(16x8) = A(16x16) * B(16x8) + C, sums in f32 and in the order of k. */
void multiply(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    vm.whole(lanes, "mma");
    alignas(64) float A[16][16], columns[8][16], B[16][8];
    alignas(64) uint64_t D[2][32];   // two tiles of 8x8 floats
    for (int q = 0; q < 4; q++) widen(w.reg(i.vec[1][q]), &A[(q & 1) * 8][(q >> 1) * 8], 16);
    for (int q = 0; q < 2; q++) widen(w.reg(i.vec[2][q]), &columns[0][q * 8], 16);
    for (int k = 0; k < 16; k++)
        for (int n = 0; n < 8; n++) B[k][n] = columns[n][k];
    for (int t = 0; t < 2; t++) {
        const uint64_t *even = w.reg(i.vec[3][t * 2]), *odd = w.reg(i.vec[3][t * 2 + 1]);
        for (int l = 0; l < 32; l++) D[t][l] = uint32_t(even[l]) | odd[l] << 32;
    }
    const Row* b = reinterpret_cast<const Row*>(B);
    for (int t = 0; t < 2; t++) {
        Row* d = reinterpret_cast<Row*>(D[t]);
        Row d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5], d6 = d[6], d7 = d[7];
        const float(*a)[16] = A + t * 8;
        for (int k = 0; k < 16; k++) {
            const Row x = b[k];
            d0 += a[0][k] * x;
            d1 += a[1][k] * x;
            d2 += a[2][k] * x;
            d3 += a[3][k] * x;
            d4 += a[4][k] * x;
            d5 += a[5][k] * x;
            d6 += a[6][k] * x;
            d7 += a[7][k] * x;
        }
        d[0] = d0, d[1] = d1, d[2] = d2, d[3] = d3, d[4] = d4, d[5] = d5, d[6] = d6, d[7] = d7;
    }
    for (int t = 0; t < 2; t++) {
        uint64_t *even = w.reg(i.vec[0][t * 2]), *odd = w.reg(i.vec[0][t * 2 + 1]);
        for (int l = 0; l < 32; l++) {
            even[l] = uint32_t(D[t][l]);
            odd[l] = D[t][l] >> 32;
        }
    }
    if (vm.launch.count) vm.launch.count->tensorFlops += 2 * 16 * 16 * 8;
}

/** Lane q * 8 + r gives the address of row r of matrix q. */
void loadMatrix(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    vm.whole(lanes, "ldmatrix");
    uint64_t addresses[32];
    const uint64_t* a = w.reg(i.src[0]);
    for (int l = 0; l < i.width * 8; l++) addresses[l] = uint32_t(a[l] + i.offset[0]);
    if (vm.launch.count) vm.countShared(addresses, i.width == 4 ? ALL : (1u << i.width * 8) - 1, 16);
    uint16_t tiles[4][8][8];
    for (int q = 0; q < i.width; q++)
        for (int r = 0; r < 8; r++) {
            const uint64_t at = addresses[q * 8 + r];
            if (at & 15)
                vm.fault(card::MISALIGNED, "misaligned access of 16 bytes by ldmatrix, row " + std::to_string(r) + " of matrix " + std::to_string(q));
            memcpy(tiles[q][r], vm.sharedAt(w, LDMATRIX_LANE, at, 16, Access::READ), 16);
        }
    for (int q = 0; q < i.width; q++) {
        if (i.sub) {   // .trans
            uint16_t turned[8][8];
            for (int r = 0; r < 8; r++)
                for (int c = 0; c < 8; c++) turned[c][r] = tiles[q][r][c];
            memcpy(tiles[q], turned, sizeof turned);
        }
        uint32_t packed[32];
        memcpy(packed, tiles[q], sizeof packed);
        uint64_t* d = w.reg(i.vec[0][q]);
        for (int l = 0; l < 32; l++) d[l] = packed[l];
    }
}
}  // namespace

Handler matrixHandler(const Inst& i) {
    switch (i.op) {
        case MMA: return multiply;
        case LDMATRIX: return loadMatrix;
        default: return nullptr;
    }
}
}  // namespace ptx
