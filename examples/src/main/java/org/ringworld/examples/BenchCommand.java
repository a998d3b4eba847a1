package org.ringworld.examples;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** Judges a model on unseen data. */
@Command(name = "bench", description = "Judge a model.", mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        return Ringworld.DONE;
    }
}
