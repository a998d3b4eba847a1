package org.ringworld.cli.cluster;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** An authority and the certificates of nodes, for those who have none. */
@Command(
        name = "certificates",
        description = "Make an authority and a certificate for each node of a cluster.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Writes OUT/ca.crt, OUT/ca.key and, for each host, OUT/<host>.crt and OUT/<host>.key. A node needs",
            "its own two and ca.crt; keep ca.key where no node runs. All of them are good for five years.",
            "",
            "Example:",
            "  ringworld certificates certificates 10.0.0.1 10.0.0.2 gpu3.example.org"
        })
public final class CertificatesCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "OUT", description = "A new directory.")
    private Path out;

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "HOST",
            description = "Names or addresses, as the nodes' host= says them.")
    private List<String> hosts;

    @Override
    public Integer call() throws Exception {
        CertificateAuthority.make(out, hosts);
        System.out.printf("%s: an authority and %d certificates%n", out, hosts.size());
        return Ringworld.DONE;
    }
}
