// What tests ask of the card; not in the real library. Reached through java.lang.foreign (EmulatedCard.java).
#include "driver.h"
#include <cstring>

using namespace card;

static const std::map<std::string, int64_t Settings::*> NAMES{
    {"devices", &Settings::devices}, {"memory", &Settings::memory}, {"capability", &Settings::capability}, {"multiprocessors", &Settings::multiprocessors},
    {"driver", &Settings::driver},   {"lazy", &Settings::lazy},     {"seed", &Settings::seed},             {"fuel", &Settings::fuel},
    {"counters", &Settings::counters}, {"peers", &Settings::peers}, {"trace", &Settings::trace}};

API cuemuSet(const char* name, int64_t value) {
    LOCKED;
    const auto i = NAMES.find(name);
    if (i == NAMES.end()) return INVALID_VALUE;
    settings.*i->second = value;
    return OK;
}
/** The n-th next launch, allocation ("alloc") or copy fails with this code; a launch or a copy breaks its context. */
API cuemuInject(const char* kind, int64_t n, int code) {
    LOCKED;
    injection = {kind, n, code};
    return OK;
}
/** Settings as at the start, no fault, no queued work, counters at zero. Contexts, memory and modules stay. */
API cuemuReset() {
    LOCKED;
    settings = {};
    injection = {};
    counters.clear();
    lastError.clear();
    for (auto* c : live<Context>()) {
        auto* context = const_cast<Context*>(static_cast<const Context*>(c));
        context->error = OK;
        for (Stream* s : context->streams) {
            s->work.clear();
            s->done = s->submitted;
            hostClock.join(s->clock);
        }
    }
    return OK;
}
/** All contexts end, as if the process did. */
API cuemuRestart() {
    LOCKED;
    cuemuReset();
    while (!live<Context>().empty()) destroyContext(const_cast<Context*>(static_cast<const Context*>(*live<Context>().begin())));
    return OK;
}
static const char* kept(const std::string& s) {   // until the thread's next question
    static thread_local std::string text;
    text = s;
    return text.c_str();
}
/** Why the latest call or kernel failed. */
extern "C" __attribute__((visibility("default"))) const char* cuemuLastError() {
    LOCKED;
    return kept(lastError);
}
/** A line a kernel: its name and the numbers of Counters. */
extern "C" __attribute__((visibility("default"))) const char* cuemuCounters() {
    LOCKED;
    std::string s;
    for (auto& [name, c] : counters) {
        uint64_t values[sizeof c / 8];
        memcpy(values, &c, sizeof c);
        s += name;
        for (uint64_t v : values) s += " " + std::to_string(v);
        s += "\n";
    }
    return kept(s);
}
/** Bytes of a device's memory that are allocated. */
extern "C" __attribute__((visibility("default"))) int64_t cuemuUsed(int device) {
    LOCKED;
    return usedBytes(device);
}
/** For the stand-in of cuBLASLt: queues a function on a stream, with the matrices that it will read and the one that it will write. */
struct Range {
    uint64_t address, bytes;
    bool writes;
};
API cuemuSubmit(void* stream, const char* name, void (*f)(void*), void* data, const Range* ranges, int count) {
    CONTEXT;
    STREAM(s, stream);
    const std::vector<Range> all(ranges, ranges + count);
    return submit(s, name, [=](Operation& op) {
        for (auto& r : all) touch(op, reach(op, r.address, r.bytes), r.address, r.bytes, r.writes);
        f(data);
    });
}
/** Its words for what it refuses. */
extern "C" __attribute__((visibility("default"))) void cuemuExplain(const char* text) {
    LOCKED;
    lastError = text;
}
/** Whether n bytes at p lie in one allocation that is alive. */
API cuemuInOneAllocation(uint64_t p, size_t n) {
    LOCKED;
    Allocation* a = find(p);
    return a && !a->freed && !a->freeing && p + n <= a->base + a->size;
}
