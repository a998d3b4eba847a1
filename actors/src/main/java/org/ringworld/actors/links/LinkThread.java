package org.ringworld.actors.links;

import org.ringworld.runtime.cpu.HostCpu;

/** A thread of one end of a link: it waits and copies, on whichever core is free. */
final class LinkThread {
    private LinkThread() {}

    static Thread start(String name, Runnable body) {
        return Thread.ofPlatform().daemon().name(name).start(HostCpu.onAnyCore(body));
    }

    /** Waits for one that is about to end. */
    static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive() && thread != Thread.currentThread()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
