package org.ringworld.runtime.cuda;

import java.util.ArrayDeque;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.Event;

/**
 * A stream whose points have numbers, growing from 1. A point has happened with all before it, so
 * the driver's event behind a number that has happened is used again, and nobody has to give one
 * back. Any thread may wait; one at a time queues.
 */
final class CudaQueue {
    private static final int FLAGS =
            CUevent_flags.CU_EVENT_DISABLE_TIMING | CUevent_flags.CU_EVENT_BLOCKING_SYNC;

    private record Recorded(long number, CUevent event) {}

    private final CudaContext context;
    private final CudaStream stream;
    private final FaultWord faults;
    private final ArrayDeque<Recorded> recorded = new ArrayDeque<>();
    private final ArrayDeque<CUevent> spare = new ArrayDeque<>();
    private long points;
    private long happened;

    CudaQueue(CudaContext context) {
        this.context = context;
        stream = CudaStream.create(context);
        faults = new FaultWord(context, stream);
    }

    /** A place in the queue. */
    final class Point implements Event {
        private final long number;

        private Point(long number) {
            this.number = number;
        }

        /**
         * @throws IndexOutOfBoundsException where a kernel before it was given an id that its table
         *     lacks
         */
        @Override
        public void await() {
            reach();
            faults.check();
        }

        /** Waits for it, whatever its kernels have to say. */
        void reach() {
            context.enter();
            CUevent event = pending(number);
            if (event != null) {
                context.check(JCudaDriver.cuEventSynchronize(event), "running a kernel");
            }
        }

        private void before(CudaStream other) {
            synchronized (CudaQueue.this) {
                CUevent event = pending(number);
                if (event != null) {
                    context.check(
                            JCudaDriver.cuStreamWaitEvent(other, event, 0), "ordering two streams");
                }
            }
        }

        private CudaQueue queue() {
            return CudaQueue.this;
        }
    }

    CudaStream stream() {
        return stream;
    }

    FaultWord faults() {
        return faults;
    }

    /** The point after everything queued so far. */
    synchronized Point record() {
        context.enter();
        faults.queueCopy();
        poll();
        CUevent event = spare.poll();
        if (event == null) {
            event = new CUevent();
            context.check(JCudaDriver.cuEventCreate(event, FLAGS), "making an event");
        }
        context.check(JCudaDriver.cuEventRecord(event, stream), "recording an event");
        recorded.add(new Recorded(++points, event));
        return new Point(points);
    }

    /** What is queued here from now on runs after {@code event}. */
    void await(Event event) {
        context.enter();
        if (!(event instanceof Point point)) {
            event.await();
        } else if (point.queue() != this) {
            point.before(stream);
        }
    }

    /** Waits until everything queued so far has run. */
    void drain() {
        record().reach();
    }

    /** Points that have happened; it stands still where the card does. */
    synchronized long happened() {
        context.enter();
        poll();
        return happened;
    }

    /** The driver's event of a point, or null where it has happened. */
    private synchronized CUevent pending(long number) {
        poll();
        if (number <= happened) {
            return null;
        }
        for (Recorded each : recorded) {
            if (each.number == number) {
                return each.event;
            }
        }
        throw new AssertionError("point " + number + " of " + points);
    }

    private void poll() {
        while (!recorded.isEmpty()) {
            int result = JCudaDriver.cuEventQuery(recorded.getFirst().event);
            if (result == CUresult.CUDA_ERROR_NOT_READY) {
                return;
            }
            context.check(result, "running a kernel");
            spare.add(recorded.getFirst().event);
            happened = recorded.removeFirst().number;
        }
    }

    /** Gives its stream and events back; everything queued has run, or never will. */
    synchronized void close() {
        faults.close();
        recorded.forEach(each -> JCudaDriver.cuEventDestroy(each.event));
        spare.forEach(JCudaDriver::cuEventDestroy);
        JCudaDriver.cuStreamDestroy(stream);
    }
}
