import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;

/**
 * Writes docs/benchmarks.md from docs/benchmarks/page.conf and the benches' JSON beside it; run by scripts/pages.
 *
 * <p>One line a measure: what was measured, by which command, on which processor, the figure, and the limit or peer that it is a
 * share of.
 */
private static final Path RECORDS = Path.of("docs/benchmarks");

private static final StringBuilder PAGE = new StringBuilder();

private record Row(String measure, String figure, String anchor, String ratio) {}

void main() throws IOException {
    PAGE.append(
            """
            # Benchmarks

            The figures of today, each with the command that measures it and with the limit or peer that it is a share of. They are
            written from the records in [benchmarks/](benchmarks/page.conf) by `scripts/pages`, not by hand. How they came to be, what
            they were before and what did not help is in [the notebook](notebook/README.md); so are the processors: Zen 5 and Zen 4
            (AMD EPYC) and a Xeon with AMX, each with 2 cores. Where two figures are given for a kernel, they are those of 1 and 2 threads;
            "attention both" is forward and backward.
            The limits are loops measured in the same run: multiply-adds in registers (F32), dot products in registers (BF16), reading memory.
            """);
    for (Config group : ConfigFactory.parseFile(RECORDS.resolve("page.conf").toFile()).getConfigList("groups")) {
        if (group.hasPath("title")) {
            PAGE.append("\n## %s\n\n".formatted(group.getString("title")));
            PAGE.append("More in [the notebook](notebook/%s).\n\n".formatted(group.getString("notebook")));
            PAGE.append("| measure | command | processor | figure | anchor | ratio |\n");
            PAGE.append("| --- | --- | --- | --- | --- | --- |\n");
        }
        String command = group.getString("command");
        String shown = command.startsWith("./") ? "`" + command + "`" : command;
        for (Row row : rows(group)) {
            PAGE.append(
                    "| %s | %s | %s | %s | %s | %s |\n"
                            .formatted(row.measure, shown, group.getString("processor"), row.figure, row.anchor, row.ratio));
        }
    }
    System.out.print(PAGE);
}

List<Row> rows(Config group) throws IOException {
    if (!group.hasPath("file")) {
        return group.getConfigList("rows").stream()
                .map(r -> new Row(r.getString("measure"), r.getString("figure"), r.getString("anchor"), r.getString("ratio")))
                .toList();
    }
    // A bench writes a list, which is HOCON too, but not by itself.
    String json = Files.readString(RECORDS.resolve(group.getString("file")));
    List<? extends Config> rows = ConfigFactory.parseString("rows = " + json).getConfigList("rows");
    Config first = rows.getFirst();
    if (first.hasPath("rate")) {
        return group.getStringList("show").stream().map(name -> kernel(name, rows)).toList();
    }
    if (first.hasPath("result")) {
        return steps(rows);
    }
    return first.hasPath("where") ? twoProcesses(rows) : rows.stream().map(this::link).toList();
}

/** One kernel, by all numbers of threads. */
Row kernel(String name, List<? extends Config> all) {
    List<? extends Config> rows =
            all.stream().filter(r -> name.equals(r.getString("name") + " " + r.getString("shape"))).toList();
    if (rows.isEmpty()) {
        throw new IllegalArgumentException("no bench has a row for: " + name);
    }
    String unit = rows.getFirst().getString("unit");
    boolean isBf16Product = name.startsWith("matmul") && name.contains("BF16");
    String anchor = unit.equals("GB/s") ? "reading memory" : isBf16Product ? "BF16 dot products" : "F32 multiply-adds";
    return new Row(
            "%s, %s".formatted(rows.getFirst().getString("name"), rows.getFirst().getString("shape")),
            join(rows, r -> number("%.1f", r.getDouble("rate"))) + " " + unit,
            anchor,
            join(rows, r -> number("%.0f", 100 * share(r, r.getDouble("rate")))) + " %");
}

/** A step of one device of all cores, and one of a ring of one-thread devices. */
List<Row> steps(List<? extends Config> rows) {
    double first = rows.getFirst().getDouble("result.seconds");
    return rows.stream()
            .map(
                    r -> {
                        Config of = r.getConfig("result");
                        boolean isRing = of.getInt("ringSize") > 1;
                        String limit = of.getString("dtype").equals("BF16") ? "BF16 dot products" : "F32 multiply-adds";
                        double flops = of.hasPath("flops") ? of.getDouble("flops") : 0;
                        String share = percent(share(r, flops));
                        return new Row(
                                "%s, %d tokens, %d × %d (ring × threads)"
                                        .formatted(of.getString("dtype"), of.getInt("seqLen"), of.getInt("ringSize"), of.getInt("threads")),
                                number("%.3f s, ", of.getDouble("seconds")) + number("%.0f tokens/s", of.getDouble("tokensPerSecond")),
                                isRing ? limit + "; one device" : limit,
                                isRing ? share + "; " + percent(first / of.getDouble("seconds")) : share);
                    })
            .toList();
}

/** The steps of two processes beside those of one device. */
List<Row> twoProcesses(List<? extends Config> rows) {
    Config one = rows.getFirst();
    Config two = rows.getLast();
    double hidden =
            two.hasPath("hidden") ? two.getDouble("hidden") : 1 - two.getDouble("exposed") / two.getDouble("receiving");
    String where = "over %s, %d tokens a rank".formatted(two.getString("transport"), two.getInt("tokensPerRank"));
    return List.of(
            new Row(
                    "a step " + where,
                    number("%.3f s", two.getDouble("seconds")),
                    number("one device of 2 threads: %.3f s", one.getDouble("seconds")),
                    percent(one.getDouble("seconds") / two.getDouble("seconds"))),
            new Row(
                    "its transfers hidden behind work",
                    number("%.3f s a rank", two.getDouble("receiving")),
                    "all transfers",
                    percent(hidden)));
}

/** Links beside plain sockets: a rate, a way there and back, or a neighbour that stands still. */
Row link(Config r) {
    String transport = r.getString("transport");
    if (r.hasPath("secondsHeldUp")) {
        double before = r.getDouble("residentBefore");
        return new Row(
                "%s, the neighbour stopped for %d s: resident memory at most".formatted(transport, r.getInt("seconds")),
                number("%.0f MiB", r.getDouble("residentMost") / (1 << 20)),
                number("before: %.0f MiB", before / (1 << 20)),
                number("%.0f %%", 100 * r.getDouble("residentMost") / before));
    }
    long bytes = r.getLong("bytes");
    String size = bytes < 1 << 20 ? bytes + " B" : (bytes >> 20) + " MiB";
    String peer = transport.equals("tls") ? "plain socket: " : "socket: ";
    if (r.hasPath("linksMedian")) {
        return new Row(
                "%s, %s there and back".formatted(transport, size),
                number("%.0f µs", r.getDouble("linksMedian")),
                peer + number("%.0f µs", r.getDouble("socketsMedian")),
                number("%.0f %% of its time", 100 * r.getDouble("linksMedian") / r.getDouble("socketsMedian")));
    }
    return new Row(
            "%s, tensors of %s, %s".formatted(transport, size, r.getInt("ways") == 1 ? "one way" : "both ways"),
            number("%.2f GB/s", r.getDouble("links")),
            peer + number("%.2f GB/s", r.getDouble("sockets")),
            number("%.0f %%", 100 * r.getDouble("links") / r.getDouble("sockets")));
}

/** Of the limit that was measured in the same run; or as it was printed, where the limit was not kept. */
double share(Config row, double rate) {
    return row.hasPath("limit") ? rate / row.getDouble("limit") : row.getDouble("share");
}

String join(List<? extends Config> rows, Function<Config, String> figure) {
    return rows.stream().<String>map(figure::apply).collect(Collectors.joining(" / "));
}

String percent(double share) {
    return number("%.1f %%", 100 * share);
}

String number(String form, double value) {
    return String.format(Locale.ROOT, form, value);
}
