// libcublasLt.so.13 for tests: the functions a GEMM runtime needs, plain loops, work goes through the emulated driver's stream.
#include "numeric.h"
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>
#define API extern "C" __attribute__((visibility("default")))
extern "C" int cuLaunchHostFunc(void*, void (*)(void*), void*);
extern "C" int cuemuIsDevice(const void*, size_t);
namespace {
enum { OK = 0, NOT_INIT = 1, INVALID = 7, NOT_SUPPORTED = 15 };
constexpr int MAGIC_D = 0x4c544401, MAGIC_L = 0x4c544c02, MAGIC_P = 0x4c545003;
struct Desc { int magic, compute, scale, ptrMode, ta, tb, epilogue; const void* bias; };
struct Layout { int magic, type, order; uint64_t rows, cols; int64_t ld; int batch; int64_t stride; };
struct Pref { int magic; uint64_t ws; };
struct Heur { uint64_t algo[8]; size_t ws; int state; float waves; int res[4]; };
size_t tsize(int t) { return t == 0 ? 4 : t == 2 || t == 14 ? 2 : 0; }   // CUDA_R_32F, 16F, 16BF
float ld(const void* p, int t, size_t i) { return t == 0 ? static_cast<const float*>(p)[i] : numeric::fromBf16(static_cast<const uint16_t*>(p)[i]); }
void st(void* p, int t, size_t i, float v) { if (t == 0) static_cast<float*>(p)[i] = v; else static_cast<uint16_t*>(p)[i] = numeric::toBf16(v); }
size_t span(const Layout& l) { uint64_t major = l.order ? l.rows : l.cols, minor = l.order ? l.cols : l.rows; return ((l.batch - 1) * l.stride + (major - 1) * l.ld + minor) * tsize(l.type); }
int fits(const Desc* d, const Layout* a, const Layout* b, const Layout* c, const Layout* o) {
  if (!d || d->magic != MAGIC_D) return INVALID;
  for (auto* l : {a, b, c, o}) { if (!l || l->magic != MAGIC_L || !tsize(l->type)) return INVALID; if (l->ld < int64_t(l->order ? l->cols : l->rows)) return INVALID; }
  uint64_t m = d->ta ? a->cols : a->rows, k = d->ta ? a->rows : a->cols, kb = d->tb ? b->cols : b->rows, n = d->tb ? b->rows : b->cols;
  if (k != kb || o->rows != m || o->cols != n || c->rows != m || c->cols != n || a->batch != b->batch || a->batch != o->batch) return INVALID;
  if (d->compute != 68 && d->compute != 77) return NOT_SUPPORTED;
  return OK;
}
}  // namespace
API size_t cublasLtGetVersion() { return 130100; }
API int cublasLtCreate(void** h) { *h = new int(1); return OK; }
API int cublasLtDestroy(void* h) { delete static_cast<int*>(h); return OK; }
API int cublasLtMatmulDescCreate(Desc** d, int compute, int scale) { *d = new Desc{MAGIC_D, compute, scale, 0, 0, 0, 1, nullptr}; return OK; }
API int cublasLtMatmulDescDestroy(Desc* d) { delete d; return OK; }
API int cublasLtMatmulDescSetAttribute(Desc* d, int a, const void* v, size_t n) {
  int* f = a == 2 ? &d->ptrMode : a == 3 ? &d->ta : a == 4 ? &d->tb : a == 7 ? &d->epilogue : nullptr;
  if (a == 8) { if (n != 8) return INVALID; memcpy(&d->bias, v, 8); return OK; }
  if (!f) return NOT_SUPPORTED;
  if (n != 4) return INVALID;
  memcpy(f, v, 4); return OK;
}
API int cublasLtMatrixLayoutCreate(Layout** l, int type, uint64_t rows, uint64_t cols, int64_t ld) { *l = new Layout{MAGIC_L, type, 0, rows, cols, ld, 1, 0}; return OK; }
API int cublasLtMatrixLayoutDestroy(Layout* l) { delete l; return OK; }
API int cublasLtMatrixLayoutSetAttribute(Layout* l, int a, const void* v, size_t n) {
  if (a == 1 && n == 4) memcpy(&l->order, v, 4); else if (a == 5 && n == 4) memcpy(&l->batch, v, 4); else if (a == 6 && n == 8) memcpy(&l->stride, v, 8); else if (a == 4 && n == 8) memcpy(&l->ld, v, 8); else return INVALID;
  return OK;
}
API int cublasLtMatmulPreferenceCreate(Pref** p) { *p = new Pref{MAGIC_P, 0}; return OK; }
API int cublasLtMatmulPreferenceDestroy(Pref* p) { delete p; return OK; }
API int cublasLtMatmulPreferenceSetAttribute(Pref* p, int a, const void* v, size_t n) { if (a == 1) { if (n != 8) return INVALID; memcpy(&p->ws, v, 8); } return OK; }
API int cublasLtMatmulAlgoGetHeuristic(void* h, Desc* d, Layout* a, Layout* b, Layout* c, Layout* o, Pref* p, int req, Heur* out, int* got) {
  if (!h) return NOT_INIT;
  if (int r = fits(d, a, b, c, o)) { *got = 0; return r; }
  *out = Heur{{0x454d55}, 1024, 0, 1.0f, {}}; *got = p->ws >= 1024 && req > 0; return *got ? OK : NOT_SUPPORTED;
}
API int cublasLtMatmul(void* h, Desc* d, const float* alpha, const void* A, Layout* la, const void* B, Layout* lb, const float* beta, const void* C, Layout* lc, void* D, Layout* lo, const Heur* algo, void* ws, size_t wsBytes, void* stream) {
  if (!h) return NOT_INIT;
  if (int r = fits(d, la, lb, lc, lo)) return r;
  if (algo && algo->algo[0] != 0x454d55) return INVALID;               // the algo must be the one the heuristic gave
  if (algo && (wsBytes < 1024 || !cuemuIsDevice(ws, wsBytes))) return INVALID;
  if (!cuemuIsDevice(A, span(*la)) || !cuemuIsDevice(B, span(*lb)) || !cuemuIsDevice(D, span(*lo)) || (*beta != 0 && !cuemuIsDevice(C, span(*lc)))) return INVALID;
  struct Job { Desc d; Layout a, b, c, o; const void *A, *B, *C; void* D; float alpha, beta; };
  auto run = [](void* p) {
    std::unique_ptr<Job> j(static_cast<Job*>(p));
    auto at = [](const Layout& l, int q, uint64_t r, uint64_t c) { return size_t(q * l.stride + (l.order ? r * l.ld + c : c * l.ld + r)); };
    uint64_t M = j->o.rows, N = j->o.cols, K = j->d.ta ? j->a.rows : j->a.cols;
    std::vector<float> a(M * K), b(K * N), s(N);
    for (int q = 0; q < j->o.batch; q++) {
      for (uint64_t m = 0; m < M; m++) for (uint64_t k = 0; k < K; k++) a[m * K + k] = ld(j->A, j->a.type, j->d.ta ? at(j->a, q, k, m) : at(j->a, q, m, k));
      for (uint64_t k = 0; k < K; k++) for (uint64_t n = 0; n < N; n++) b[k * N + n] = ld(j->B, j->b.type, j->d.tb ? at(j->b, q, n, k) : at(j->b, q, k, n));
      for (uint64_t m = 0; m < M; m++) {
        s.assign(N, 0.0f);
        for (uint64_t k = 0; k < K; k++) for (uint64_t n = 0; n < N; n++) s[n] += a[m * K + k] * b[k * N + n];
        for (uint64_t n = 0; n < N; n++) st(j->D, j->o.type, at(j->o, q, m, n), j->alpha * s[n] + (j->beta != 0 ? j->beta * ld(j->C, j->c.type, at(j->c, q, m, n)) : 0));
      }
    }
  };
  return cuLaunchHostFunc(stream, run, new Job{*d, *la, *lb, *lc, *lo, A, B, C, D, *alpha, *beta}) ? 13 : OK;
}
