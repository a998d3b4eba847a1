// Which code performs an instruction.
#include "vm.h"
#include <stdexcept>

namespace ptx {
Handler handlerOf(const Inst& i) {
    switch (i.op) {
        case BRA: case RET: case BAR: case BAR_ARRIVE: case BAR_RED: return nullptr;   // the loop's own (vm_run.cpp)
        case NOP: return [](Vm&, Warp&, const Inst&, uint32_t) {};
        case TRAP: return [](Vm& vm, Warp&, const Inst&, uint32_t) { vm.fault(card::LAUNCH_FAILED, "trap"); };
        default: break;
    }
    for (auto* chooser : {halfHandler, integerHandler, bitHandler, floatHandler, compareHandler, convertHandler, moveHandler, memoryHandler,
            warpHandler,
                          matrixHandler, asyncHandler})
        if (Handler h = chooser(i)) return h;
    throw std::runtime_error("this instruction has no implementation");
}
}  // namespace ptx
