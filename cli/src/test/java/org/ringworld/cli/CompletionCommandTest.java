package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class CompletionCommandTest {
    @TempDir private Path directory;

    @Test
    void theScriptNamesEveryCommandThatIsShown() {
        CommandLineTest.Outcome outcome = CommandLineTest.run("completion");
        assertThat(outcome.code()).isZero();
        CommandLine all = new CommandLine(new Ringworld());
        assertThat(all.getSubcommands()).hasSizeGreaterThan(15).containsKey("completion");
        all.getSubcommands()
                .forEach(
                        (name, command) -> {
                            boolean isHidden = command.getCommandSpec().usageMessage().hidden();
                            assertThat(completes(outcome.out(), name))
                                    .as(name)
                                    .isNotEqualTo(isHidden);
                        });
    }

    private static boolean completes(String script, String command) {
        return script.lines()
                .filter(line -> line.strip().startsWith("local commands="))
                .anyMatch(line -> List.of(line.split("[\" ]+")).contains(command));
    }

    /** As the shell does when tab is pressed. */
    @ParameterizedTest
    @CsvSource({"tra,train", "train --print-c,--print-config", "bench att,attention"})
    void bashCompletesWhatWasBegun(String begun, String whole) throws Exception {
        Path script =
                Files.writeString(
                        directory.resolve("script"), CommandLineTest.run("completion").out());
        String press =
                "source "
                        + script
                        + "; COMP_WORDS=(ringworld "
                        + begun
                        + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
                        + " $(complete -p ringworld | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${COMPREPLY[@]}";
        ProcessBuilder shell = new ProcessBuilder("bash", "-c", press);
        Process bash = shell.redirectError(ProcessBuilder.Redirect.DISCARD).start();
        String words = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(words.strip()).isEqualTo(whole);
    }
}
