package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Full pages on their way to a second rank, while the ranks compute: what a rank holds may be lost
 * with it.
 */
final class PageMirrors {
    private final Ring ring;
    private final Device device;
    private final PageMemory memory;
    private final Lease lease = new Lease();
    private final List<Coming> coming = new ArrayList<>();
    private final List<PageDirectory.Mirror> mine = new ArrayList<>();

    /** A part of a page that comes, and where it belongs. */
    private record Coming(Ring.Transfer transfer, Tensor place) {}

    private PageMirrors(Ring ring, Device device, PageMemory memory) {
        this.ring = ring;
        this.device = device;
        this.memory = memory;
    }

    /** Begins to send and to receive; all ranks know of all. */
    static PageMirrors begin(
            Ring ring,
            Device device,
            PageMemory memory,
            Frame frame,
            List<PageDirectory.Mirror> mirrors) {
        PageMirrors some = new PageMirrors(ring, device, memory);
        for (int i = 0; i < mirrors.size(); i++) {
            PageDirectory.Mirror mirror = mirrors.get(i);
            if (mirror.from().rank() == ring.rank()) {
                some.send(mirror, frame, i);
            } else if (mirror.to().rank() == ring.rank()) {
                some.receive(mirror, frame, i);
            }
        }
        return some;
    }

    private void send(PageDirectory.Mirror mirror, Frame frame, int number) {
        List<Tensor> parts = memory.parts(mirror.from().number());
        for (int part = 0; part < parts.size(); part++) {
            ring.send(
                    mirror.to().rank(),
                    frame.of(Pass.PAGE, part, ring.rank(), number),
                    parts.get(part),
                    device.record(),
                    lease);
        }
    }

    private void receive(PageDirectory.Mirror mirror, Frame frame, int number) {
        int from = mirror.from().rank();
        List<Tensor> parts = memory.parts(mirror.to().number());
        for (int part = 0; part < parts.size(); part++) {
            Tensor place = parts.get(part);
            Frame name = frame.of(Pass.PAGE, part, from, number);
            coming.add(new Coming(ring.receiveInto(from, place, name), place));
        }
        mine.add(mirror);
    }

    /** Waits for all of it; the pages that this rank has now. */
    List<HeldPage> await() {
        for (Coming part : coming) {
            Tensor came = part.transfer.await(device);
            if (came.address() != part.place.address()) {
                device.kernels().copy(came, part.place);
            }
            part.transfer.lease().release(device.record());
        }
        List<HeldPage> held = new ArrayList<>();
        for (PageDirectory.Mirror mirror : mine) {
            memory.hold(mirror.to().number(), mirror.index());
            held.add(new HeldPage(mirror.to().number(), mirror.key(), mirror.index()));
        }
        lease.awaitFree(ring, device);
        return held;
    }
}
