# Renders JSON lines with Ruby's gem `liquid`: the reference, where it is installed.
require 'json'
require 'time'
require 'liquid'
ENV['TZ'] = 'UTC'
# The clock stands where the other side's does: a date without a year is in 1970.
class << Time
  def now(...) = at(0).utc
end
class Files
  def initialize(files) = @files = files
  def read_template_file(name) = @files.fetch(name) { raise Liquid::FileSystemError, "No such template '#{name}'" }
end
$stdin.each_line do |line|
  c = JSON.parse(line)
  begin
    t = Liquid::Template.parse(c['template'], error_mode: :lax, line_numbers: true)
    t.registers[:file_system] = Files.new(c['partials'] || {})
    puts JSON.generate(text: t.render!(c['data'] || {}))
  rescue StandardError => e
    puts JSON.generate(error: e.message)
  end
end
