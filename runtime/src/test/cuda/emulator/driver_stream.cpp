// Streams, events, host functions.
#include "driver.h"
#include <time.h>

using namespace card;

static double nowMs() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

API cuStreamCreateWithPriority(void** stream, unsigned flags, int) {
    CONTEXT;
    if (flags > 1) return refuse(INVALID_VALUE, "cuStreamCreate: flags %u", flags);
    *stream = newStream(ctx, false, flags == 0);
    return OK;
}
API cuStreamCreate(void** stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }
API cuStreamDestroy_v2(void* stream) {
    CONTEXT;
    STREAM(s, stream);
    if (s->legacy) return refuse(INVALID_HANDLE, "cuStreamDestroy of the null stream");
    live<Stream>().erase(s);   // its work still runs; the context keeps it
    return OK;
}
API cuStreamSynchronize(void* stream) {
    CONTEXT;
    STREAM(s, stream);
    if (s->legacy)   // it waits for the others too: by an operation behind them
        if (const int error = submit(s, "cuStreamSynchronize", nullptr)) return error;
    return joined(s);
}
/** Where work runs lazily, asking whether it is over lets one piece of it run: whoever polls gets there. */
API cuStreamQuery(void* stream) {
    CONTEXT;
    STREAM(s, stream);
    if (s->work.empty()) {
        hostClock.join(s->clock);
        return OK;
    }
    runOne(s);
    return ctx->error ? ctx->error : NOT_READY;
}
API cuStreamGetFlags(void* stream, unsigned* flags) {
    CONTEXT;
    STREAM(s, stream);
    *flags = !s->legacy && !s->blocking;
    return OK;
}
API cuStreamGetPriority(void*, int* priority) {
    *priority = 0;
    return OK;
}
API cuStreamGetCtx(void* stream, void** context) {
    CONTEXT;
    STREAM(s, stream);
    *context = s->context;
    return OK;
}

#define EVENT(name, handle)                                  \
    card::Event* const name = card::alive<Event>(handle);    \
    if (!name) return refuse(INVALID_HANDLE, "%s: the event is unknown or destroyed", __func__)

API cuStreamWaitEvent(void* stream, void* event, unsigned) {
    CONTEXT;
    STREAM(s, stream);
    EVENT(e, event);
    if (!e->stream) return OK;   // never recorded
    auto op = operation(s, "cuStreamWaitEvent");
    op->clock.join(e->clock);
    op->after.push_back({e->stream, e->sequence});
    return submit(s, std::move(op));
}
API cuEventCreate(void** event, unsigned flags) {
    CONTEXT;
    auto* e = new Event{ctx, flags, nullptr, 0, {}, 0};
    live<Event>().insert(e);
    *event = e;
    return OK;
}
API cuEventDestroy_v2(void* event) {
    CONTEXT;
    EVENT(e, event);
    live<Event>().erase(e);   // not deleted: its recording may be queued
    return OK;
}
API cuEventRecord(void* event, void* stream) {
    CONTEXT;
    STREAM(s, stream);
    EVENT(e, event);
    if (e->context != ctx) return refuse(INVALID_HANDLE, "cuEventRecord: event and stream are of different contexts");
    auto op = operation(s, "cuEventRecord");
    e->stream = s;
    e->sequence = op->sequence;
    e->clock = op->clock;
    e->clock.join(s->id, op->sequence);
    op->run = [e](Operation&) { e->ms = nowMs(); };
    return submit(s, std::move(op));
}
API cuEventRecordWithFlags(void* event, void* stream, unsigned) { return cuEventRecord(event, stream); }
API cuEventSynchronize(void* event) {
    CONTEXT;
    EVENT(e, event);
    if (!e->stream) return OK;
    const int error = drain(e->stream, e->sequence);
    hostClock.join(e->clock);
    return error;
}
API cuEventQuery(void* event) {
    CONTEXT;
    EVENT(e, event);
    if (e->stream && e->stream->done < e->sequence) {
        runOne(e->stream);
        return ctx->error ? ctx->error : NOT_READY;
    }
    hostClock.join(e->clock);
    return OK;
}
API cuEventElapsedTime(float* ms, void* from, void* to) {
    CONTEXT;
    EVENT(a, from);
    EVENT(b, to);
    if (!a->stream || !b->stream || a->flags & 2 || b->flags & 2)
        return refuse(INVALID_HANDLE, "cuEventElapsedTime: an event was not recorded, or made without timing");
    if (a->stream->done < a->sequence || b->stream->done < b->sequence) return NOT_READY;
    *ms = float(b->ms - a->ms);
    return OK;
}
API cuEventElapsedTime_v2(float* ms, void* from, void* to) { return cuEventElapsedTime(ms, from, to); }

/** Runs on the thread that drains the stream, and may not call CUDA. */
static void callHost(const std::function<void()>& f) {
    inHostFunction = true;
    f();
    inHostFunction = false;
}
API cuLaunchHostFunc(void* stream, void (*f)(void*), void* data) {
    CONTEXT;
    STREAM(s, stream);
    return submit(s, "a host function", [=](Operation&) { callHost([=] { f(data); }); });
}
API cuStreamAddCallback(void* stream, void (*f)(void*, int, void*), void* data, unsigned) {
    CONTEXT;
    STREAM(s, stream);
    return submit(s, "a callback", [=](Operation&) { callHost([=] { f(stream, OK, data); }); });
}
