package org.ringworld.model.training.coordination;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * A device of a {@link SimulatedCluster}: what it was told and has not done, and what it has said
 * and nobody heard.
 */
final class SimulatedDevice {
    final DeviceId id;
    final DeviceEpochs epochs = new DeviceEpochs(0);
    final FinishedSteps finished = new FinishedSteps();
    final Deque<Ordered> orders = new ArrayDeque<>();
    final Deque<Ordered> work = new ArrayDeque<>();
    final Deque<Report> reports = new ArrayDeque<>();
    String job = "";
    long ringEpoch = -1;
    int ringSize;
    boolean faulty;

    /** Its weights: the steps that made them. */
    List<Long> weights = List.of();

    SimulatedDevice(DeviceId id) {
        this.id = id;
    }

    boolean isBusy() {
        return !work.isEmpty();
    }

    /** An order, and of which coordinator: answers go to the one that asked. */
    record Ordered(Order order, int coordinator) {}
}
