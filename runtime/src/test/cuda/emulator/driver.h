// The driver: what stands behind the handles of the cu* functions. Names are those of the binary interface (cuMemAlloc is cuMemAlloc_v2).
#pragma once
#include "card.h"
#include "ptx.h"
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#define API extern "C" __attribute__((visibility("default"))) int
typedef unsigned long long CUdeviceptr;

namespace card {
extern std::recursive_mutex lock;   // one call at a time
constexpr int MAX_DEVICES = 64;

struct Stream {
    int id;
    Context* context;
    bool legacy, blocking;                         // the null stream; those that wait for it and it for them
    std::deque<std::unique_ptr<Operation>> work;
    uint32_t submitted = 0, done = 0;
    Clock clock;                                   // what is over when its last operation is
};
struct Context {
    int device = 0;
    bool primary = false;
    int retained = 0;
    int error = 0;                                 // sticky
    Stream* null = nullptr;
    std::vector<Stream*> streams;                  // the null stream too
    std::set<const Context*> peers;
};
struct Event {
    Context* context;
    unsigned flags;
    Stream* stream = nullptr;                      // where it was recorded last
    uint32_t sequence = 0;
    Clock clock;
    double ms = 0;
};
struct LoadedModule;
struct Function {
    LoadedModule* module;
    ptx::Kernel* kernel;
    int maxDynamicShared = 48 << 10;
};
struct LoadedModule {
    Context* context;
    std::shared_ptr<ptx::Module> ptx;
    std::map<std::string, std::unique_ptr<Function>> functions;
};

/** Handles that are alive; a stale one is refused, as far as a card would notice. */
template <class T> std::set<const void*>& live() {
    static std::set<const void*> handles;
    return handles;
}
template <class T> T* alive(void* handle) { return live<T>().count(handle) ? static_cast<T*>(handle) : nullptr; }

// driver_core.cpp
extern std::string lastError;
extern Clock hostClock;   // what the host knows to be over
int refuse(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));
int broken(Context* c, const Fault& f);
/** n-th next call of a kind ("launch", "alloc", "copy") fails with a code; one at a time. */
struct Injection {
    std::string kind;
    int64_t countdown = 0;
    int code = 0;
};
extern Injection injection;
int injected(const char* kind);
Stream* newStream(Context* c, bool legacy, bool blocking);
/** With its context: nothing of it runs any more. */
void endStream(Stream* s);
/** The stream of a handle in this context; null: unknown, or another context's. */
Stream* streamOf(Context* c, void* handle);
std::unique_ptr<Operation> operation(Stream* s, const std::string& what);
int submit(Stream* s, std::unique_ptr<Operation> op);
int submit(Stream* s, const std::string& what, std::function<void(Operation&)> run);
int drain(Stream* s, uint32_t upTo = ~0u);
int drain(Context* c);
void runOne(Stream* s);
/** The host waited: it knows that the stream is empty. */
int joined(Stream* s);
extern thread_local bool inHostFunction;

// driver_context.cpp
Context* current();
int capabilityMajor();
int capabilityMinor();
int maxDynamicShared();
void destroyContext(Context* c);
}  // namespace card

#define LOCKED std::lock_guard locked(card::lock)
/** Most calls: one at a time, in a context that works. */
#define CONTEXT                                                                                                                  \
    LOCKED;                                                                                                                      \
    if (card::inHostFunction) return card::refuse(card::NOT_PERMITTED, "%s: called from a host function of a stream", __func__); \
    card::Context* const ctx = card::current();                                                                                  \
    if (!ctx) return card::refuse(card::INVALID_CONTEXT, "%s: no current context on this thread", __func__);                     \
    if (ctx->error) return ctx->error
#define STREAM(name, handle)                                         \
    card::Stream* const name = card::streamOf(ctx, handle);          \
    if (!name) return card::refuse(card::INVALID_HANDLE, "%s: the stream is unknown, destroyed or of another context", __func__)
