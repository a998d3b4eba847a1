/**
 * Draws docs/ring.svg: java scripts/RingPicture.java > docs/ring.svg
 *
 * <p>A row of 8 chunks, laid out in zigzag on a ring of 4 device actors, and what moves between them.
 */
private static final int RANKS = 4;

private static final String[] COLOURS = {"#1b6ca8", "#2a9d8f", "#e9a23b", "#c8553d"};

private static final StringBuilder SVG = new StringBuilder();

void main() {
    add(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 540\" font-family=\"sans-serif\">");
    add("<rect width=\"960\" height=\"540\" fill=\"#ffffff\"/>");
    add(
            "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" fill=\"#444\"/></marker></defs>");
    row();
    ring();
    add("</svg>");
    System.out.print(SVG);
}

/** The sequence, each chunk in the colour of the rank that holds it: N-1-r and N+r. */
void row() {
    text(480, 34, 20, "#222", "one row of tokens, cut in zigzag: every rank has the same causal work");
    for (int chunk = 0; chunk < 2 * RANKS; chunk++) {
        int rank = chunk < RANKS ? RANKS - 1 - chunk : chunk - RANKS;
        int x = 120 + 90 * chunk;
        add(
                "<rect x=\"%d\" y=\"52\" width=\"86\" height=\"34\" rx=\"4\" fill=\"%s\"/>"
                        .formatted(x, COLOURS[rank]));
        text(x + 43, 75, 15, "#fff", "chunk " + chunk);
    }
}

void ring() {
    int centreX = 480;
    int centreY = 325;
    int radiusX = 300;
    int radiusY = 140;
    text(centreX, centreY - 6, 18, "#222", "Coordinator");
    text(centreX, centreY + 18, 14, "#666", "stages, steps, snapshots:");
    text(centreX, centreY + 36, 14, "#666", "one message a step to each device");
    for (int rank = 0; rank < RANKS; rank++) {
        double angle = Math.toRadians(-135 + 90 * rank);
        double next = Math.toRadians(-135 + 90 * (rank + 1));
        double x = centreX + radiusX * Math.cos(angle);
        double y = centreY + radiusY * Math.sin(angle);
        arrow(centreX, centreY, radiusX, radiusY, angle, next);
        add(
                "<rect x=\"%.0f\" y=\"%.0f\" width=\"180\" height=\"84\" rx=\"10\" fill=\"#f6f6f4\" stroke=\"%s\" stroke-width=\"3\"/>"
                        .formatted(x - 90, y - 42, COLOURS[rank]));
        text(x, y - 18, 16, "#222", "DeviceActor " + rank);
        chunk(x - 78, y - 6, rank, RANKS - 1 - rank);
        chunk(x + 2, y - 6, rank, RANKS + rank);
        text(x, y + 36, 12, "#666", "queries stay, keys travel");
    }
    text(centreX, 132, 14, "#444", "K, V tiles that a later rank still sees; dK, dV on their way home");
}

void chunk(double x, double y, int rank, int number) {
    add(
            "<rect x=\"%.0f\" y=\"%.0f\" width=\"76\" height=\"24\" rx=\"4\" fill=\"%s\"/>"
                    .formatted(x, y, COLOURS[rank]));
    text(x + 38, y + 17, 13, "#fff", "chunk " + number);
}

void arrow(int cx, int cy, int rx, int ry, double from, double to) {
    double a = from + 0.42;
    double b = to - 0.42;
    boolean flat = Math.abs(Math.sin((from + to) / 2)) > 0.5;
    if (!flat) {
        a = from + 0.62;
        b = to - 0.62;
    }
    double bend = 1.18;
    double middle = (from + to) / 2;
    add(
            "<path d=\"M%.0f %.0fQ%.0f %.0f %.0f %.0f\" fill=\"none\" stroke=\"#444\" stroke-width=\"3\" marker-end=\"url(#arrow)\"/>"
                    .formatted(
                            cx + rx * Math.cos(a),
                            cy + ry * Math.sin(a),
                            cx + bend * rx * Math.cos(middle),
                            cy + bend * ry * Math.sin(middle),
                            cx + rx * Math.cos(b),
                            cy + ry * Math.sin(b)));
}

void text(double x, double y, int size, String colour, String text) {
    add(
            "<text x=\"%.0f\" y=\"%.0f\" font-size=\"%d\" fill=\"%s\" text-anchor=\"middle\">%s</text>"
                    .formatted(x, y, size, colour, text));
}

void add(String element) {
    SVG.append(element).append('\n');
}
