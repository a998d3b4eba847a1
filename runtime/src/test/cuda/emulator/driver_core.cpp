// Errors, streams of operations, and the clock that orders them.
#include "driver.h"
#include <cstdarg>
#include <cstdio>

namespace card {
std::recursive_mutex lock;
std::string lastError;
Clock hostClock;
Injection injection;
thread_local bool inHostFunction = false;

int refuse(int code, const char* format, ...) {
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lastError = text;
    if (settings.trace > 1) fprintf(stderr, "emulated card: %s\n", text);
    return code;
}

int broken(Context* c, const Fault& f) {
    if (!c->error) {
        c->error = f.code;
        lastError = f.what;
    }
    if (settings.trace) fprintf(stderr, "emulated card: %s\n", f.what.c_str());
    return c->error;
}

int injected(const char* kind) {
    if (injection.kind != kind || --injection.countdown != 0) return OK;
    injection.kind.clear();
    return injection.code;
}

namespace {
std::vector<std::pair<int, uint32_t>> unused;   // numbers of streams whose context ended, and how many operations they had
}

Stream* newStream(Context* c, bool legacy, bool blocking) {
    static int next = 0;
    auto* s = new Stream{next, c, legacy, blocking, {}, 0, 0, {}};
    if (unused.empty()) {
        next++;
    } else {   // clocks stay short; the older operations of this number are known to be over
        s->id = unused.back().first;
        s->submitted = s->done = unused.back().second;
        unused.pop_back();
    }
    c->streams.push_back(s);
    live<Stream>().insert(s);
    return s;
}

void endStream(Stream* s) {
    s->work.clear();
    s->done = s->submitted;
    hostClock.join(s->clock);
    live<Stream>().erase(s);   // not deleted: others may still have to wait for it
    unused.push_back({s->id, s->submitted});
}

Stream* streamOf(Context* c, void* handle) {
    if (!handle || handle == (void*)1 || handle == (void*)2) return c->null;   // CU_STREAM_LEGACY, CU_STREAM_PER_THREAD
    Stream* s = alive<Stream>(handle);
    return s && s->context == c ? s : nullptr;
}

std::unique_ptr<Operation> operation(Stream* s, const std::string& what) {
    auto op = std::make_unique<Operation>();
    op->what = what;
    op->stream = s->id;
    op->context = s->context;
    op->sequence = s->submitted + 1;
    op->clock = s->clock;
    op->clock.join(hostClock);
    auto behind = [&](Stream* other) {
        op->clock.join(other->clock);
        op->after.push_back({other, other->submitted});
    };
    if (s->legacy) {
        for (Stream* other : s->context->streams)
            if (other->blocking) behind(other);
    } else if (s->blocking) {
        behind(s->context->null);
    }
    return op;
}

int submit(Stream* s, std::unique_ptr<Operation> op) {
    if (s->context->error) return s->context->error;
    enroll(*op);
    s->clock = op->clock;
    s->clock.join(s->id, op->sequence);
    s->submitted++;
    s->work.push_back(std::move(op));
    return settings.lazy ? OK : drain(s);
}
int submit(Stream* s, const std::string& what, std::function<void(Operation&)> run) {
    auto op = operation(s, what);
    op->run = std::move(run);
    return submit(s, std::move(op));
}

void runOne(Stream* s) {
    const std::unique_ptr<Operation> op = std::move(s->work.front());
    s->work.pop_front();
    for (auto& [other, upTo] : op->after) drain(other, upTo);
    if (!s->context->error && op->run) {
        try {
            op->run(*op);
        } catch (Fault& f) {
            broken(s->context, f);
        }
    }
    s->done++;
}

int drain(Stream* s, uint32_t upTo) {
    while (!s->work.empty() && s->done < upTo) runOne(s);
    return s->context->error;
}

int drain(Context* c) {
    for (Stream* s : std::vector<Stream*>(c->streams)) drain(s);
    return c->error;
}

int joined(Stream* s) {
    const int error = drain(s);
    hostClock.join(s->clock);
    return error;
}
}  // namespace card
