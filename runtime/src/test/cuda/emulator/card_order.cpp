// What happened before what, between streams: every operation carries a vector clock. Two that touch the same bytes, one of them writing,
// must be ordered by a stream, an event or the host; which of them happened to run first does not matter.
#include "card.h"
#include <algorithm>
#include <set>

namespace card {
namespace {
struct Past {
    int stream;
    uint32_t sequence;
    const std::string* what;
};
std::vector<Past> past(1);   // by operation number; 0 is none
std::set<std::string> names;

bool ordered(Operation& op, uint32_t id) {
    if (!id || id == op.id || op.known[id % 16] == id) return true;
    const Past& p = past[id];
    if (p.stream != op.stream && op.clock.of(p.stream) < p.sequence) return false;
    op.known[id % 16] = id;
    return true;
}
}  // namespace

void Clock::join(const Clock& other) {
    if (at.size() < other.at.size()) at.resize(other.at.size());
    for (size_t i = 0; i < other.at.size(); i++) at[i] = std::max(at[i], other.at[i]);
}
void Clock::join(int stream, uint32_t sequence) {
    if (at.size() <= size_t(stream)) at.resize(stream + 1);
    at[stream] = std::max(at[stream], sequence);
}

void enroll(Operation& op) {
    op.id = past.size();
    past.push_back({op.stream, op.sequence, &*names.insert(op.what).first});
}

void settle(Operation& op, Allocation& a, Allocation::Sector& s, bool writes) {
    const bool afterWriter = ordered(op, s.writer), afterReader = !writes || ordered(op, s.reader);
    if (afterWriter && afterReader) return;
    const Past& p = past[afterWriter ? s.reader : s.writer];
    auto side = [](const std::string& what, int stream) { return what + " on stream " + std::to_string(stream); };
    const size_t at = (&s - a.sectors) * 16;
    throw Fault{LAUNCH_FAILED, "race between streams: " + describe(a.base + at, std::min<size_t>(16, a.size - at)) + (writes ? " written by " : " read by ")
                                   + side(op.what, op.stream) + (afterWriter ? ", read by " : ", written by ") + side(*p.what, p.stream)
                                   + ", and no event or wait orders the two"};
}
}  // namespace card
