// The real Mermaid parser. Reads a Gantt diagram from standard input and prints what it understood as a JSON object:
// its title, its sections, and for each task the section, the label and the times. A diagram with an error ends it
// with 1.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const modules = process.env.NODE_PATH;
const { JSDOM } = createRequire(import.meta.url)(`${modules}/jsdom`);
// Mermaid sanitizes labels with the browser's parser.
const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import(`${modules}/mermaid/dist/mermaid.core.mjs`);

// Entity codes stay placeholders until a diagram is drawn.
const text = (label) => label.trim().replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(code));

const source = readFileSync(0, 'utf8');
await mermaid.parse(source);
const { db } = await mermaid.mermaidAPI.getDiagramFromText(source);
console.log(JSON.stringify({
  title: text(db.getDiagramTitle()),
  sections: db.getSections().map(text),
  tasks: db.getTasks().map((task) => ({
    section: text(task.section),
    label: text(task.task),
    begin: task.startTime.getTime(),
    end: task.endTime.getTime(),
  })),
}));
