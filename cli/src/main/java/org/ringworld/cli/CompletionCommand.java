package org.ringworld.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** A script that completes the command line in a shell. */
@Command(
        name = "completion",
        description = "Print a script for bash or zsh that completes commands and options.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  source <(ringworld completion)                       in this shell",
            "  ringworld completion > ~/.ringworld-completion       and source that in ~/.bashrc or ~/.zshrc"
        })
final class CompletionCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
        System.out.print(AutoComplete.bash("ringworld", spec.root().commandLine()));
        return Ringworld.DONE;
    }
}
